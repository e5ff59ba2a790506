//! Size and constants of a decoder: the section `[model]` of a recipe.

use crate::error::{Error, Result};
use crate::models::layout::{Activation, Layout};
use crate::models::presets;
use crate::models::weights::weights;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Size and constants of a decoder.
// `remote` gives the derived code other names, so that a preset can be laid under what is written (see below).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct DecoderConfig {
    /// Whose names and arithmetic.
    pub layout: Layout,
    /// A name of [`presets::PRESETS`]: sizes that are not given beside it are the preset's.
    pub preset: Option<String>,
    /// V; 0 in a recipe: taken from the token files.
    pub vocabulary_size: usize,
    /// D.
    pub hidden_size: usize,
    /// Blocks.
    pub layers: usize,
    /// H, heads of queries.
    pub heads: usize,
    /// G, heads of keys and values, a divisor of H; as many as `heads` where not given.
    pub key_value_heads: Option<usize>,
    /// K, width of a head; `hidden_size / heads` where not given.
    pub head_width: Option<usize>,
    /// F.
    pub intermediate_size: usize,
    /// Of the feed-forward map, one of [`Layout::activations`]; the published model's where not given.
    pub activation: Option<Activation>,
    /// T at most, tokens.
    pub context_length: usize,
    /// Base of the rotary angles; without meaning where positions are learned.
    pub rope_theta: f64,
    /// Added to the mean square in norms.
    pub norm_epsilon: f64,
    /// Share dropped after the embedding and on each residual branch, in training.
    pub dropout: f64,
    /// Whether the head is the embedding.
    pub tied_embeddings: bool,
    /// Id of `<s>`.
    pub beginning: u32,
    /// Id of `</s>`.
    pub end: u32,
}

impl Default for DecoderConfig {
    /// 4 layers of 256: small enough for a laptop, and for a corpus of a few million tokens.
    fn default() -> DecoderConfig {
        DecoderConfig {
            layout: Layout::Llama,
            preset: None,
            vocabulary_size: 0,
            hidden_size: 256,
            layers: 4,
            heads: 4,
            key_value_heads: None,
            head_width: None,
            intermediate_size: 688, // 8/3 D, as in Llama, rounded to 16
            activation: None,
            context_length: 256,
            rope_theta: 10_000.0,
            norm_epsilon: 1e-5,
            dropout: 0.1,
            tied_embeddings: true,
            beginning: 1,
            end: 2,
        }
    }
}

impl Serialize for DecoderConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        DecoderConfig::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for DecoderConfig {
    /// Takes the sizes of a preset for keys that are not there.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<DecoderConfig, D::Error> {
        let mut given: Map<String, Value> = Map::deserialize(deserializer)?;
        // A layout that is not one is refused with all else below.
        let layout = given.get("layout").and_then(|layout| Layout::deserialize(layout).ok()).unwrap_or_default();
        presets::lay_under(&mut given, !layout.is_gpt()).map_err(D::Error::custom)?;
        DecoderConfig::deserialize(Value::Object(given)).map_err(D::Error::custom)
    }
}

impl DecoderConfig {
    /// G: heads of keys and values.
    pub fn heads_of_keys(&self) -> usize {
        self.key_value_heads.unwrap_or(self.heads)
    }

    /// K: width of a head.
    pub fn width_of_head(&self) -> usize {
        self.head_width.unwrap_or(self.hidden_size / self.heads)
    }

    /// That of the feed-forward map.
    pub fn activation(&self) -> Activation {
        self.activation.unwrap_or(self.layout.activations()[0])
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        weights(self).iter().map(|weight| weight.shape.iter().product::<usize>()).sum()
    }

    /// Refuses sizes that cannot work, all faults together.
    pub fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        let sizes = [
            ("vocabulary_size", self.vocabulary_size),
            ("hidden_size", self.hidden_size),
            ("layers", self.layers),
            ("heads", self.heads),
            ("key_value_heads", self.key_value_heads.unwrap_or(1)),
            ("head_width", self.head_width.unwrap_or(1)),
            ("intermediate_size", self.intermediate_size),
            ("context_length", self.context_length),
        ];
        faults.extend(
            sizes.iter().filter(|(_, size)| *size == 0).map(|(name, _)| format!("{name} is 0; expected 1 or more")),
        );
        if self.heads > 0 && self.hidden_size > 0 {
            self.check_heads(&mut faults);
        }
        // `transformers` has no key for it.
        if self.layout == Layout::Gpt1 && self.intermediate_size != 4 * self.hidden_size {
            let four = 4 * self.hidden_size;
            faults.push(format!("intermediate_size is {}; gpt1 has 4 · hidden_size = {four}", self.intermediate_size));
        }
        let known = self.layout.activations();
        if let Some(activation) = self.activation.filter(|activation| !known.contains(activation)) {
            let [found, layout] = [word(activation), word(self.layout)];
            let known: Vec<String> = known.iter().map(word).collect();
            faults.push(format!(
                "activation is {found}; {layout} has {} (`transformers` has no other)",
                known.join(" or ")
            ));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            faults.push(format!("dropout is {}; expected 0 or more, below 1", self.dropout));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(format!("decoder: {}", faults.join("; ")))) }
    }

    fn check_heads(&self, faults: &mut Vec<String>) {
        let (d, h) = (self.hidden_size, self.heads);
        // A rotary pair is two columns of a head.
        let unit = if self.layout.is_gpt() { h } else { 2 * h };
        match self.head_width {
            None if !d.is_multiple_of(unit) => {
                let words = if self.layout.is_gpt() { "heads" } else { "2 · heads" };
                faults.push(format!("hidden_size {d} is not a multiple of {words} = {unit}"));
            }
            Some(k) if self.layout.is_gpt() && k * h != d => {
                faults.push(format!("head_width is {k}; {} has hidden_size / heads", self.layout.model_type()));
            }
            Some(k) if !self.layout.is_gpt() && k % 2 == 1 => {
                faults.push(format!("head_width is {k}; expected an even number"));
            }
            _ => {}
        }
        let keys = self.heads_of_keys();
        if keys > 0 && !h.is_multiple_of(keys) {
            faults.push(format!("key_value_heads is {keys}; expected a divisor of heads = {h}"));
        }
        if self.layout.is_gpt() && keys != h {
            faults.push(format!("key_value_heads is {keys}; {} has as many as heads = {h}", self.layout.model_type()));
        }
    }

    /// The same with the vocabulary of the tokens; refuses another one that was asked for.
    pub fn for_vocabulary(&self, vocabulary_size: usize) -> Result<DecoderConfig> {
        if self.vocabulary_size != 0 && self.vocabulary_size != vocabulary_size {
            return Err(Error::Mismatch {
                place: "decoder, vocabulary_size".to_owned(),
                found: self.vocabulary_size.to_string(),
                expected: format!("{vocabulary_size}, as the token files have it (or 0, to take theirs)"),
            });
        }
        let config = DecoderConfig { vocabulary_size, ..self.clone() };
        config.check()?;
        Ok(config)
    }
}

/// As it is written in a recipe.
fn word(value: impl Serialize) -> String {
    serde_json::to_string(&value).expect("a name is plain data")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(config: DecoderConfig) -> String {
        DecoderConfig { vocabulary_size: 9, hidden_size: 8, ..config }.check().unwrap_err().to_string()
    }

    #[test]
    fn impossible_sizes_are_refused_together() {
        let message = faults(DecoderConfig { heads: 3, dropout: 1.0, ..Default::default() });
        assert!(message.contains("hidden_size 8") && message.contains("dropout is 1"), "{message}");
        let message = faults(DecoderConfig { key_value_heads: Some(3), head_width: Some(5), ..Default::default() });
        assert!(message.contains("key_value_heads is 3; expected a divisor of heads = 4"), "{message}");
        assert!(message.contains("head_width is 5; expected an even number"), "{message}");
        let gpt1 = DecoderConfig { layout: Layout::Gpt1, key_value_heads: Some(2), ..Default::default() };
        let message = faults(gpt1);
        assert!(message.contains("intermediate_size is 688; gpt1 has 4 · hidden_size = 32"), "{message}");
        assert!(message.contains("key_value_heads is 2; openai-gpt has as many as heads = 4"), "{message}");
        let squared =
            |layout| DecoderConfig { layout, activation: Some(Activation::ReluSquared), ..Default::default() };
        let message = faults(squared(Layout::Llama));
        assert!(message.contains(r#"activation is "relu_squared"; "llama" has "silu" ("#), "{message}");
        let message = faults(DecoderConfig { intermediate_size: 32, ..squared(Layout::Gpt1) });
        assert!(message.contains(r#""gpt1" has "gelu" (`transformers` has no other)"#), "{message}");
    }

    #[test]
    fn published_models_have_their_published_sizes() {
        let of = |sizes: Value| serde_json::from_value::<DecoderConfig>(sizes).unwrap().parameters();
        // Counts by `sum(p.numel() for p in model.parameters())` in `transformers`.
        let gpt2 = json!({ "layout": "gpt2", "vocabulary_size": 50257, "hidden_size": 768, "layers": 12, "heads": 12,
            "intermediate_size": 3072, "context_length": 1024 });
        assert_eq!(of(gpt2), 124_439_808);
        let gpt1 = json!({ "layout": "gpt1", "vocabulary_size": 40478, "hidden_size": 768, "layers": 12, "heads": 12,
            "intermediate_size": 3072, "context_length": 512 });
        assert_eq!(of(gpt1), 116_534_784);
        let tiny_llama = json!({ "vocabulary_size": 32000, "hidden_size": 2048, "layers": 22, "heads": 32,
            "key_value_heads": 4, "intermediate_size": 5632, "tied_embeddings": false });
        assert_eq!(of(tiny_llama), 1_100_048_384);
        let qwen3 = json!({ "layout": "qwen3", "vocabulary_size": 151936, "hidden_size": 1024, "layers": 28,
            "heads": 16, "key_value_heads": 8, "head_width": 128, "intermediate_size": 3072 });
        assert_eq!(of(qwen3), 596_049_920);
    }
}
