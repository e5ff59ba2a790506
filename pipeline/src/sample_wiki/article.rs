//! An article as blocks, written twice: with markup and dirt, and as the clean text behind it.

use super::lexicon::Lexicon;
use super::names::{Name, capitalised};
use super::random::Random;
use super::sentence::{Sentence, phrase};

#[derive(Clone)]
enum Block {
    Paragraph(Vec<Sentence>),
    Heading(&'static str),
    List(Vec<String>),
}

/// What an article says.
#[derive(Clone)]
pub(super) struct Article {
    /// The subject.
    pub name: String,
    /// Index of its topic.
    pub topic: usize,
    blocks: Vec<Block>,
}

impl Article {
    /// Five to eleven sentences in two or three paragraphs, headings, at times a list.
    pub fn draw(lexicon: &'static Lexicon, name: String, topic: usize, random: &mut Random) -> Article {
        let mut article = Article { name, topic, blocks: Vec::new() };
        article.paragraph(lexicon, 2 + random.below(2), random);
        let first = random.below(lexicon.headings.len());
        for section in 0..1 + random.below(2) {
            article.blocks.push(Block::Heading(lexicon.headings[(first + section) % lexicon.headings.len()]));
            let count = 2 + random.below(3);
            article.paragraph(lexicon, count, random);
        }
        if random.chance(25) {
            let mut items: Vec<String> = Vec::new();
            while items.len() < 3 {
                let item = capitalised(phrase(lexicon.topics[topic].things, random));
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            article.blocks.push(Block::List(items));
        }
        article
    }

    /// One sentence.
    pub fn stub(lexicon: &'static Lexicon, name: String, topic: usize, random: &mut Random) -> Article {
        let mut article = Article { name, topic, blocks: Vec::new() };
        article.paragraph(lexicon, 1, random);
        article
    }

    fn paragraph(&mut self, lexicon: &'static Lexicon, count: usize, random: &mut Random) {
        let mut sentences: Vec<Sentence> = Vec::with_capacity(count);
        while sentences.len() < count {
            let sentence = if random.chance(22) {
                Sentence::filler(lexicon, &self.name, random)
            } else {
                Sentence::on_topic(lexicon, self.topic, &self.name, random)
            };
            let repeated = sentences.iter().any(|before| before.text == sentence.text)
                || self.sentences().any(|before| before == sentence.text);
            if !repeated {
                sentences.push(sentence);
            }
        }
        self.blocks.push(Block::Paragraph(sentences));
    }

    /// The same article with its last sentence replaced by another.
    pub fn with_one_sentence_changed(&self, lexicon: &'static Lexicon, random: &mut Random) -> Article {
        let mut changed = self.clone();
        let last = changed.blocks.iter_mut().rev().find_map(|block| match block {
            Block::Paragraph(sentences) => sentences.last_mut(),
            _ => None,
        });
        if let Some(sentence) = last {
            let before = sentence.text.clone();
            while sentence.text == before {
                *sentence = Sentence::on_topic(lexicon, self.topic, &self.name, random);
            }
        }
        changed
    }

    /// Its sentences.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().flat_map(|block| match block {
            Block::Paragraph(sentences) => sentences.iter().map(|sentence| sentence.text.as_str()).collect(),
            _ => Vec::new(),
        })
    }

    /// What a careful reader copies from the page: blocks with a blank line between, `- ` before list items.
    pub fn clean(&self) -> String {
        let blocks: Vec<String> = self
            .blocks
            .iter()
            .map(|block| match block {
                Block::Paragraph(sentences) => {
                    sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" ")
                }
                Block::Heading(heading) => (*heading).to_owned(),
                Block::List(items) => items.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n"),
            })
            .collect();
        blocks.join("\n\n")
    }

    /// As wikitext in the wiki of `host` (which is another language's where a page strayed).
    pub fn wikitext(&self, host: &Lexicon, random: &mut Random) -> String {
        let mut text = String::new();
        if random.chance(60) {
            text.push_str(&infobox(host, &self.name, random));
        }
        if random.chance(30) {
            let [_, _, file, ..] = host.namespaces;
            let other = Name::draw(random).write(host.tag);
            text.push_str(&format!(
                "[[{file}:{}.jpg|{}|250px|{}, [[{other}]]]]\n",
                self.name, host.thumbnail, self.name
            ));
        }
        text.push_str(&self.body(host, random));
        if random.chance(30) {
            text.push('\n');
            text.push_str(&table(host, random));
        }
        let [_, _, _, _, category] = host.namespaces;
        text.push_str(&format!("\n<references />\n[[{category}:{}]]", host.categories[self.topic]));
        text
    }

    /// The blocks with their markup.
    fn body(&self, host: &Lexicon, random: &mut Random) -> String {
        let mut text = String::new();
        let mut bold = true;
        for (place, block) in self.blocks.iter().enumerate() {
            if place > 0 {
                text.push('\n');
            }
            match block {
                Block::Paragraph(sentences) => {
                    let marked: Vec<String> = sentences
                        .iter()
                        .map(|sentence| {
                            let mut marked = mark(sentence, random);
                            if bold && marked.contains(&self.name) {
                                marked = marked.replacen(&self.name, &format!("'''{}'''", self.name), 1);
                                bold = false;
                            }
                            marked + &trailer(host, random)
                        })
                        .collect();
                    text.push_str(&marked.join(" "));
                }
                Block::Heading(heading) => text.push_str(&format!("== {heading} ==")),
                Block::List(items) => {
                    let lines: Vec<String> = items.iter().map(|item| format!("* {item}")).collect();
                    text.push_str(&lines.join("\n"));
                }
            }
            text.push('\n');
        }
        text
    }

    /// Good text, then markup that is opened and never closed.
    pub fn broken(&self, host: &Lexicon, random: &mut Random) -> String {
        let opened = [
            format!("{{{{{} | {} = [[{}", host.infobox, host.name_field, self.name),
            format!("<ref name=\"x\">{}", self.name),
            format!("{{| class=\"wikitable\"\n! {}\n|-\n| {}", host.name_field, self.name),
        ];
        format!("{}\n{}", self.body(host, random), random.pick(&opened))
    }
}

/// A template with a template, a link and a comment inside.
fn infobox(host: &Lexicon, name: &str, random: &mut Random) -> String {
    let [_, _, file, ..] = host.namespaces;
    format!(
        "{{{{{}\n| {} = {name}<!-- ? -->\n| {} = {{{{nowrap|{}}}}}\n| image = [[{file}:{name} 2.png|frame]]\n}}}}\n",
        host.infobox,
        host.name_field,
        host.year_field,
        1820 + random.below(200),
    )
}

/// Three rows of names and years.
fn table(host: &Lexicon, random: &mut Random) -> String {
    let mut text = format!("{{| class=\"wikitable\"\n! {} !! {}\n", host.name_field, host.year_field);
    for _ in 0..3 {
        text.push_str(&format!("|-\n| [[{}]] || {}\n", Name::draw(random).write(host.tag), 1820 + random.below(200)));
    }
    text + "|}\n"
}

/// Puts a link, italics or an entity into a sentence; what the reader sees stays the same.
fn mark(sentence: &Sentence, random: &mut Random) -> String {
    let mut text = sentence.text.clone();
    if random.chance(12) {
        if let Some(special) = text.chars().find(|character| !character.is_ascii()) {
            text = text.replacen(special, &format!("&#{};", u32::from(special)), 1);
        }
        return text;
    }
    text = text.replace(" — ", if random.chance(30) { " &mdash; " } else { " — " });
    if let Some(phrase) = sentence.phrase {
        let marked = match random.below(6) {
            0 => format!("[[{phrase}]]"),
            1 => format!("[[{}|{phrase}]]", capitalised(phrase)),
            2 => format!("''{phrase}''"),
            _ => phrase.to_owned(),
        };
        text = text.replacen(phrase, &marked, 1);
    }
    if let Some(other) = &sentence.other {
        text = text.replacen(other.as_str(), &format!("[[{other}]]"), 1);
    }
    text
}

/// What may follow a sentence: a reference or a comment.
fn trailer(host: &Lexicon, random: &mut Random) -> String {
    match random.below(12) {
        0 => format!("<ref>{{{{cite book |title={} |year={}}}}}</ref>", host.categories[0], 1820 + random.below(200)),
        1 => "<ref name=\"a\" />".to_owned(),
        2 => format!("<!-- {} -->", host.headings[0]),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexicon::LEXICONS;
    use super::*;

    #[test]
    fn markup_takes_nothing_from_a_sentence() {
        let sentence = Sentence {
            text: "Bela é un río de Tolu.".to_owned(),
            other: Some("Tolu".to_owned()),
            phrase: Some("un río"),
        };
        let mut random = Random::new(3, "mark");
        for _ in 0..50 {
            let marked = mark(&sentence, &mut random).replace("&#233;", "é").replace("[[Un río|", "[[");
            assert_eq!(marked.replace(['[', ']', '\''], ""), sentence.text);
        }
    }

    #[test]
    fn a_near_duplicate_differs_in_one_sentence() {
        let mut random = Random::new(4, "near");
        for lexicon in LEXICONS {
            let article = Article::draw(lexicon, "Tolu".to_owned(), 1, &mut random);
            let near = article.with_one_sentence_changed(lexicon, &mut random);
            assert_eq!(article.sentences().zip(near.sentences()).filter(|(one, other)| one != other).count(), 1);
        }
    }
}
