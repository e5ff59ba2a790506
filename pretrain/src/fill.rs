//! What an encoder puts in the place of hidden tokens: candidates for each `<mask>` of a prompt, and the words it tells in a
//! sentence.

use crate::error::{Error, Result};
use crate::generate::log_probabilities;
use crate::models::encoder::Encoder;
use crate::models::masking::Masked;
use crate::nn::Seen;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use tongues_pipeline::vocabulary::Vocabulary;
use tongues_pipeline::vocabulary::hugging_face::MASK;

/// One `<mask>` of a prompt: a line of `tongues sample --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    /// Which, from 1.
    pub mask: usize,
    /// The likeliest first.
    pub candidates: Vec<Candidate>,
}

/// A piece in the place of a `<mask>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The piece, with `▁` for a space.
    pub piece: String,
    /// Its id.
    pub id: u32,
    /// By the softmax over the whole vocabulary, given the rest of the prompt with all its masks.
    pub probability: f64,
    /// The prompt with the piece in its place; other masks stay.
    pub text: String,
}

/// The `count` likeliest pieces for each `<mask>` of `prompt`. A space before a mask belongs to what is hidden, as in
/// RoBERTa. Before the prompt stands `beginning`: `<s>`, or the token of a language.
///
/// # Errors
/// A prompt without a mask, or longer than the model's context.
pub fn fill(
    (encoder, vocabulary): (&Encoder, &Vocabulary),
    (beginning, prompt): (u32, &str),
    count: usize,
) -> Result<Vec<Filled>> {
    let parts: Vec<&str> = prompt.split(MASK).collect();
    if parts.len() == 1 {
        return Err(Error::Settings(format!(
            "a prompt without {MASK}: an encoder tells what is hidden in a text, it does not go on with one"
        )));
    }
    let config = &encoder.config;
    let (mut ids, mut places) = (vec![beginning], Vec::new());
    for (number, part) in parts.iter().enumerate() {
        let visible = if number + 1 < parts.len() { part.trim_end() } else { part };
        ids.extend(if number == 0 { vocabulary.encode(visible) } else { vocabulary.encode_after(visible) });
        if number + 1 < parts.len() {
            places.push(ids.len() as u32);
            ids.push(config.mask);
        }
    }
    ids.push(config.end);
    if ids.len() > config.context_length {
        return Err(Error::Settings(format!(
            "a prompt of {} tokens with <s> and </s>; expected at most {}, the model's context",
            ids.len(),
            config.context_length
        )));
    }
    let all = probabilities(encoder, &ids, &places)?;
    let of_mask = |(number, probabilities): (usize, &Vec<f64>)| {
        let mut best: Vec<u32> = (0..probabilities.len() as u32).collect();
        best.sort_by(|a, b| probabilities[*b as usize].total_cmp(&probabilities[*a as usize]));
        let candidates = best.into_iter().take(count).map(|id| {
            let piece = vocabulary.pieces().get(id as usize).map_or(MASK, |piece| &piece.text).to_owned();
            let text = in_its_place(&parts, number, &piece.replace('▁', " "));
            Candidate { piece, id, probability: probabilities[id as usize], text }
        });
        Filled { mask: number + 1, candidates: candidates.collect() }
    };
    Ok(all.iter().enumerate().map(of_mask).collect())
}

/// The prompt with `word` for mask `number`, from 0, and the other masks as they were.
fn in_its_place(parts: &[&str], number: usize, word: &str) -> String {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        match at {
            _ if at == number => text += part.trim_end(),
            _ => text += part,
        }
        if at == number {
            text += if text.is_empty() { word.trim_start() } else { word };
        } else if at + 1 < parts.len() {
            text += MASK;
        }
    }
    text
}

/// Probabilities of all ids at each of `places` of one text.
fn probabilities(encoder: &Encoder, ids: &[u32], places: &[u32]) -> Result<Vec<Vec<f64>>> {
    let (encoder, device) = (encoder.detached(), encoder.device());
    let ids = Tensor::from_slice(ids, (1, ids.len()), device)?;
    let states = encoder.hidden(&ids, &Seen::bidirectional(), None)?.get(0)?;
    let states = states.index_select(&Tensor::new(places, device)?, 0)?;
    let logits = encoder.logits(&states)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
    let of_row = |row: &Vec<f32>| log_probabilities(row).into_iter().map(f64::exp).collect();
    Ok(logits.to_vec2::<f32>()?.iter().map(of_row).collect())
}

/// A sentence with hidden words, as the model reads it and as it tells it: a sample while training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// With a `<mask>` for each hidden token.
    pub prompt: String,
    /// With the likeliest piece in the place of each.
    pub text: String,
    /// The hidden words, in order.
    pub masks: Vec<Word>,
}

/// A hidden word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// What stood there.
    pub truth: String,
    /// What the model tells.
    pub told: String,
    /// Of the told pieces, each given what can be seen, multiplied.
    pub probability: f64,
}

/// Tells the hidden words of a sentence `ids`, given `masked`, the same between `<s>` and `</s>` with whole words hidden.
pub fn tell(encoder: &Encoder, vocabulary: &Vocabulary, ids: &[u32], masked: &Masked) -> Result<Told> {
    let all = probabilities(encoder, &masked.ids, &masked.places)?;
    let mut told = ids.to_vec();
    let mut chance = vec![1.0; ids.len()];
    for (place, probabilities) in masked.places.iter().zip(&all) {
        let place = *place as usize - 1; // without <s>
        let best = (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
        let best = best.expect("a vocabulary has pieces");
        (told[place], chance[place]) = (best as u32, probabilities[best]);
    }
    let is_hidden = |place: usize| masked.places.binary_search(&(place as u32 + 1)).is_ok();
    let begins_part = |place: usize| {
        is_hidden(place) != is_hidden(place - 1) || is_hidden(place) && vocabulary.begins_word(ids[place])
    };
    let starts: Vec<usize> = (0..ids.len()).filter(|&place| place == 0 || begins_part(place)).collect();
    let mut sample = Told { prompt: String::new(), text: String::new(), masks: Vec::new() };
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(ids.len());
        let part = text_of(vocabulary, ids, start..end);
        if !is_hidden(start) {
            sample.prompt += &part;
            sample.text += &part;
            continue;
        }
        sample.prompt += if part.starts_with(' ') { " " } else { "" };
        sample.prompt += &MASK.repeat(end - start);
        let found = text_of(vocabulary, &told, start..end);
        sample.text += &found;
        let (truth, told) = (part.trim().to_owned(), found.trim().to_owned());
        sample.masks.push(Word { truth, told, probability: chance[start..end].iter().product() });
    }
    Ok(sample)
}

/// The text of some tokens of a sentence, with the space before them.
fn text_of(vocabulary: &Vocabulary, ids: &[u32], range: std::ops::Range<usize>) -> String {
    let (before, whole) = (vocabulary.decode(&ids[..range.start]), vocabulary.decode(&ids[..range.end]));
    whole.strip_prefix(&before).map_or_else(|| vocabulary.decode(&ids[range]), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::text::tests::{invented, vocabulary};
    use crate::models::encoder::EncoderConfig;
    use crate::models::encoder_weights::BIAS;

    /// An encoder whose likeliest piece, whatever it reads, is `piece`, and then `second`.
    fn biased(vocabulary: &Vocabulary, [first, second]: [u32; 2]) -> Encoder {
        let sizes = EncoderConfig { hidden_size: 8, layers: 1, heads: 2, intermediate_size: 8, ..Default::default() };
        let config = EncoderConfig { context_length: 40, ..sizes }.for_vocabulary(vocabulary.size()).unwrap();
        let encoder = Encoder::new(&config, 1, &Device::Cpu).unwrap();
        let mut bias = vec![0f32; config.vocabulary_size];
        (bias[first as usize], bias[second as usize]) = (20.0, 19.0);
        encoder.parameters.get(BIAS).unwrap().set(&Tensor::new(bias, &Device::Cpu).unwrap()).unwrap();
        encoder
    }

    /// Two pieces that begin a word.
    fn two(vocabulary: &Vocabulary) -> [u32; 2] {
        let begins = |id: &u32| vocabulary.begins_word(*id) && vocabulary.pieces()[*id as usize].text.len() > 4;
        let found: Vec<u32> = (4..vocabulary.size() as u32).filter(begins).take(2).collect();
        [found[0], found[1]]
    }

    #[test]
    fn each_mask_gets_its_candidates_in_its_place() {
        let (_folder, vocabulary) = vocabulary();
        let two = two(&vocabulary);
        let encoder = biased(&vocabulary, two);
        let found = fill((&encoder, &vocabulary), (1, "<mask> sari <mask>."), 2).unwrap();
        assert_eq!(found.iter().map(|one| one.mask).collect::<Vec<_>>(), [1, 2]);
        let texts: Vec<&str> = found.iter().flat_map(|one| &one.candidates).map(|one| one.text.as_str()).collect();
        let of = |id: u32| vocabulary.decode(&[id]);
        let [a, b] = two.map(of);
        let expected = [format!("{a} sari <mask>."), format!("{b} sari <mask>.")];
        assert_eq!(texts[..2], expected);
        assert_eq!(texts[2..], [format!("<mask> sari {a}."), format!("<mask> sari {b}.")]);
        for one in &found {
            let [first, second] = [0, 1].map(|number| &one.candidates[number]);
            assert_eq!([first.id, second.id], two);
            // e to 1 between them but for what an untrained head adds, and nothing is left for the others.
            assert!((first.probability + second.probability - 1.0).abs() < 1e-3, "{one:?}");
            assert!((first.probability / second.probability - 1f64.exp()).abs() < 0.5, "{one:?}");
        }
        let message = fill((&encoder, &vocabulary), (1, "mesa"), 2).unwrap_err().to_string();
        assert!(message.contains("a prompt without <mask>"), "{message}");
        let message = fill((&encoder, &vocabulary), (1, &"mesa <mask> ".repeat(20)), 2).unwrap_err();
        assert!(message.to_string().contains("expected at most 40, the model's context"), "{message}");
    }

    #[test]
    fn the_text_after_a_mask_is_cut_as_if_the_mask_were_a_word() {
        let (_folder, vocabulary) = vocabulary();
        // Full stops come after words alone in the training text; alone, a text begins with a space.
        let whole = vocabulary.encode("mesa. sari");
        let after = vocabulary.encode_after(". sari");
        assert!(whole.ends_with(&after) && vocabulary.encode(". sari") != after, "{after:?} of {whole:?}");
        assert_eq!(vocabulary.encode_after(" sari"), vocabulary.encode("sari"));
        assert!(vocabulary.encode_after("").is_empty());
    }

    #[test]
    fn hidden_words_are_told_beside_the_truth() {
        let (_folder, vocabulary) = vocabulary();
        let text = invented(3);
        let ids = vocabulary.encode(&text);
        let two = two(&vocabulary);
        let encoder = biased(&vocabulary, two);
        let config = &encoder.config;
        let whole: Vec<u32> = [config.beginning].into_iter().chain(ids.iter().copied()).chain([config.end]).collect();
        // The first word and one in the middle.
        let starts: Vec<usize> = (0..ids.len()).filter(|place| vocabulary.begins_word(ids[*place])).collect();
        let hidden: Vec<usize> = [0, 3].into_iter().flat_map(|word| starts[word]..starts[word + 1]).collect();
        let mut masked = Masked { ids: whole, places: Vec::new(), targets: Vec::new() };
        for place in hidden {
            masked.ids[place + 1] = config.mask;
            masked.places.push(place as u32 + 1);
            masked.targets.push(ids[place]);
        }
        let found = tell(&encoder, &vocabulary, &ids, &masked).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        let masks = |word: usize| MASK.repeat(starts[word + 1] - starts[word]);
        let mut expected: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        (expected[0], expected[3]) = (masks(0), masks(3));
        assert_eq!(found.prompt, expected.join(" "));
        assert_eq!(found.masks.iter().map(|one| one.truth.as_str()).collect::<Vec<_>>(), [words[0], words[3]]);
        assert!(found.masks.iter().all(|one| one.told.starts_with(&vocabulary.decode(&two[..1]))), "{found:?}");
        // 1 / (1 + 1/e) = 0.73 for each piece.
        for (one, pieces) in found.masks.iter().zip([0, 3].map(|word| starts[word + 1] - starts[word])) {
            assert!((one.probability - 0.73f64.powi(pieces as i32)).abs() < 0.1, "{pieces}: {one:?}");
        }
        for visible in [words[1], words[2], words[4]] {
            assert!(found.text.contains(visible), "{found:?}");
        }
    }
}
