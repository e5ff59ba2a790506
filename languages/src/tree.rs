//! Hierarchical softmax of a quantised fastText model, such as lid.176.ftz: a Huffman tree whose leaves are the labels. The
//! library takes such a model's outputs for those of a flat softmax.

use fasttext::FastText;
use fasttext::args::LossName;
use fasttext::dictionary::EntryType;

/// The inner nodes of the tree from the root down. A node is numbered as in the model's file: labels come first, in the
/// file's order, then inner nodes from the rarest pair up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    labels: usize,
    /// Left and right child of each inner node.
    children: Vec<[usize; 2]>,
}

impl Tree {
    /// That of a model which has to be read with it.
    ///
    /// # Errors
    /// What is wrong with a model whose outputs are quantised too: the library does not give them.
    pub fn of(model: &FastText) -> Result<Option<Tree>, String> {
        if !model.is_quant() || model.args().loss != LossName::HierarchicalSoftmax {
            return Ok(None);
        }
        if model.quant_output().is_some() {
            return Err("hierarchical softmax over quantised outputs (`-qout`); expected one quantised without".into());
        }
        Ok(Some(Tree::new(&model.dict().get_counts(EntryType::Label))))
    }

    /// The Huffman tree over labels that occur so often, the most frequent first. Of a label and a node that are equally
    /// frequent the node is joined first, as fastText does (`buildTree` in its loss.cc).
    fn new(counts: &[i64]) -> Tree {
        let (mut labels, mut node) = (counts.len(), 0);
        let (mut children, mut sums): (Vec<[usize; 2]>, Vec<i64>) = (Vec::new(), Vec::new());
        while children.len() + 1 < counts.len() {
            let pair = std::array::from_fn(|_| {
                let waiting = sums.get(node).copied().unwrap_or(i64::MAX);
                if labels > 0 && counts[labels - 1] < waiting {
                    labels -= 1;
                    (labels, counts[labels])
                } else {
                    node += 1;
                    (counts.len() + node - 1, waiting)
                }
            });
            let [(left, of_left), (right, of_right)] = pair;
            children.push([left, right]);
            sums.push(of_left + of_right);
        }
        Tree { labels: counts.len(), children }
    }

    /// The probability of each label, given that of going right at each inner node.
    fn probabilities(&self, right: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut reached = vec![0.0; self.labels + self.children.len()];
        if let Some(root) = reached.last_mut() {
            *root = 1.0;
        }
        for (node, children) in self.children.iter().enumerate().rev() {
            let (here, right) = (reached[self.labels + node], right(node));
            reached[children[0]] = here * (1.0 - right);
            reached[children[1]] = here * right;
        }
        reached.truncate(self.labels);
        reached
    }

    /// The probability of each label for a line of text, in the model's order; empty where the model knows nothing of it.
    pub fn predict(&self, model: &FastText, line: &str) -> Vec<f32> {
        let hidden = model.get_sentence_vector(line);
        if hidden.iter().all(|x| *x == 0.0) {
            return Vec::new();
        }
        let score = |node: usize| -> f32 {
            model.output_matrix().row(node as i64).iter().zip(&hidden).map(|(weight, x)| weight * x).sum()
        };
        self.probabilities(|node| 1.0 / (1.0 + (-score(node)).exp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_labels_are_joined_first() {
        // 8, 5, 3, 2: 2 and 3 make node 4 (of 5), the equally frequent label 1 waits; 4 and 1 make node 5 (of 10); label 0
        // (8) and 5 are the root, node 6.
        let tree = Tree::new(&[8, 5, 3, 2]);
        assert_eq!(tree, Tree { labels: 4, children: vec![[3, 2], [4, 1], [0, 5]] });
        // Right at the root with 0.75, at node 5 with 0.5, at node 4 with 0.2.
        let expected = [0.25, 0.375, 0.075, 0.3];
        let found = tree.probabilities(|node| [0.2, 0.5, 0.75][node]);
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}");
        assert_eq!(Tree::new(&[7]).probabilities(|_| 0.5), [1.0]);
    }
}
