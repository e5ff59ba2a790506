//! `training/tensorboard/`: the figures and samples of `metrics.jsonl` as TensorBoard reads them.
//!
//! A file is a chain of records: length (u64), masked CRC-32C of it, payload, masked CRC-32C of that, all little-endian
//! (TensorFlow's `record_writer.cc`). A payload is an `Event` of `tensorflow/core/util/event.proto`, of which the few
//! fields needed here are encoded by hand. A run that goes on begins a new file that tells TensorBoard from which step on
//! the older ones no longer count.

use crate::error::Result;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tongues_pipeline::error::Error as FileError;

/// A file of events.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// Begins a file in the folder of a model whose next step is `step`.
    pub fn create(folder: &Path, step: u64) -> Result<Events> {
        let folder = folder.join("training/tensorboard");
        std::fs::create_dir_all(&folder).map_err(FileError::io("create", &folder))?;
        let now = now();
        let path = folder.join(format!("events.out.tfevents.{:010}.step-{step:08}", now as u64));
        let file = File::create(&path).map_err(FileError::io("create", &path))?;
        let mut events = Events { path, file };
        events.write(&event(now, step, 3, b"brain.Event:2"))?;
        events.write(&event(now, step, 7, &[1 << 3, 1]))?; // SessionLog { status: START }
        Ok(events)
    }

    /// Adds the figures, or the texts, of a line of `metrics.jsonl`.
    pub fn add(&mut self, line: &Value) -> Result<()> {
        let figures = scalars(line).into_iter().map(|(tag, value)| scalar(&tag, value));
        let texts = texts(line).into_iter().map(|(tag, words)| text(&tag, &words));
        let summary: Vec<u8> = figures.chain(texts).flat_map(|value| field(1, &value)).collect();
        let step = line["step"].as_u64().unwrap_or(0);
        if summary.is_empty() { Ok(()) } else { self.write(&event(now(), step, 5, &summary)) }
    }

    fn write(&mut self, payload: &[u8]) -> Result<()> {
        Ok(self.file.write_all(&record(payload)).map_err(FileError::io("write", &self.path))?)
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The figures of a line by the names of their charts: `train/loss`, `validation/bits_per_byte`,
/// `validation/ltg_Latn`.
fn scalars(line: &Value) -> Vec<(String, f32)> {
    let kind = line["kind"].as_str().unwrap_or_default();
    let top = line.as_object().into_iter().flatten();
    let languages = line["languages"].as_object().into_iter().flatten();
    top.filter(|(key, _)| *key != "step")
        .chain(languages)
        .filter_map(|(key, value)| Some((format!("{kind}/{key}"), value.as_f64()? as f32)))
        .collect()
}

/// The samples of a line as Markdown, the prompts bold, the told words of an encoder after the hidden: `samples/ltg_Latn`.
fn texts(line: &Value) -> Vec<(String, String)> {
    let languages = line["languages"].as_object().into_iter().flatten().filter(|_| line["kind"] == "samples");
    let markdown = |sample: &Value| {
        let of = |key: &str| sample[key].as_str().unwrap_or_default().to_owned();
        let Some(masks) = sample["masks"].as_array() else {
            let prompt = Some(of("prompt")).filter(|prompt| !prompt.is_empty());
            return prompt.map_or(String::new(), |prompt| format!("**{prompt}**")) + &of("text");
        };
        // `<mask>` would be a tag.
        let words = masks.iter().map(|word| format!("{} (told: **{}**)", word["truth"], word["told"]));
        format!("{}: {}", of("prompt").replace('<', "&lt;"), words.collect::<Vec<_>>().join(", "))
    };
    let all = |samples: &Value| samples.as_array().into_iter().flatten().map(markdown).collect::<Vec<_>>().join("\n\n");
    languages.map(|(language, samples)| (format!("samples/{language}"), all(samples))).collect()
}

/// `Event { wall_time = 1, step = 2, … }` with one more field of bytes.
fn event(wall_time: f64, step: u64, number: u8, content: &[u8]) -> Vec<u8> {
    let mut all = vec![1 << 3 | 1]; // eight bytes
    all.extend(wall_time.to_le_bytes());
    all.push(2 << 3); // a varint
    varint(step, &mut all);
    all.extend(field(number, content));
    all
}

/// `Summary.Value { tag = 1, simple_value = 2 }`.
fn scalar(tag: &str, value: f32) -> Vec<u8> {
    let mut all = field(1, tag.as_bytes());
    all.push(2 << 3 | 5); // four bytes
    all.extend(value.to_le_bytes());
    all
}

/// `Summary.Value { tag = 1, tensor = 8, metadata = 9 }` with a tensor of one string, shown by the plugin `text`.
fn text(tag: &str, words: &str) -> Vec<u8> {
    const STRING: u8 = 7; // DT_STRING of `types.proto`
    let shape = field(2, &[1 << 3, 1]); // TensorShapeProto { dim = 2 { size = 1: 1 } }
    let tensor = [vec![1 << 3, STRING], field(2, &shape), field(8, words.as_bytes())].concat();
    let metadata = field(1, &field(1, b"text")); // SummaryMetadata { plugin_data = 1 { plugin_name = 1 } }
    [field(1, tag.as_bytes()), field(8, &tensor), field(9, &metadata)].concat()
}

/// A field of bytes with its length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut all = vec![number << 3 | 2];
    varint(content.len() as u64, &mut all);
    all.extend(content);
    all
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn record(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), payload, &masked(payload)].concat()
}

/// A checksum of data that may itself hold checksums (`crc32c.h` of TensorFlow).
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_and_records_by_hand() {
        let mut bytes = Vec::new();
        varint(300, &mut bytes); // 300 = 10 0101100: the low seven bits with the eighth set, then 10
        assert_eq!(bytes, [0b1010_1100, 0b10]);
        assert_eq!(scalar("a", 1.0), [0x0a, 1, b'a', 0x15, 0, 0, 0x80, 0x3f]); // 1.0 is 0x3f800000
        let tensor = [0x08, 7, 0x12, 4, 0x12, 2, 0x08, 1, 0x42, 1, b'b'];
        let metadata = [0x4a, 8, 0x0a, 6, 0x0a, 4, b't', b'e', b'x', b't'];
        assert_eq!(text("a", "b"), [&[0x0a, 1, b'a', 0x42, 11][..], &tensor, &metadata].concat());
        assert_eq!(event(0.0, 5, 3, b"x"), [0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 5, 0x1a, 1, b'x']);
        // CRC-32C of "123456789" is e3069283 (RFC 3720's check value); rotated by 15 it is 2507c60d.
        assert_eq!(masked(b"123456789"), 0x2507_c60d_u32.wrapping_add(0xa282_ead8).to_le_bytes());
        let whole = record(b"123456789");
        assert_eq!((whole.len(), &whole[..8], &whole[12..21]), (25, &[9, 0, 0, 0, 0, 0, 0, 0][..], &b"123456789"[..]));
        assert_eq!((&whole[8..12], &whole[21..]), (&masked(&whole[..8])[..], &masked(b"123456789")[..]));
    }

    #[test]
    fn the_figures_of_a_line() {
        let line = json!({ "kind": "validation", "step": 3, "bits_per_byte": 1.5, "languages": { "ltg_Latn": 1.25 } });
        let expected = [("validation/bits_per_byte".to_owned(), 1.5), ("validation/ltg_Latn".to_owned(), 1.25)];
        assert_eq!(scalars(&line), expected);
        let skipped = json!({ "kind": "skipped", "step": 3, "reason": "loss_spike", "loss": null });
        assert!(scalars(&skipped).is_empty(), "what is no number is left out");
        let samples = json!({ "kind": "samples", "step": 3, "languages": {
            "ltg_Latn": [{ "prompt": "ka", "text": "lo" }, { "prompt": "", "text": "me" }] } });
        assert!(scalars(&samples).is_empty());
        assert_eq!(texts(&samples), [("samples/ltg_Latn".to_owned(), "**ka**lo\n\nme".to_owned())]);
        let told = json!({ "kind": "samples", "step": 3, "languages": { "ltg_Latn": [
            { "prompt": "ka <mask>", "text": "ka lo", "masks": [{ "truth": "me", "told": "lo", "probability": 0.5 }] }] } });
        let words = "ka &lt;mask>: \"me\" (told: **\"lo\"**)";
        assert_eq!(texts(&told), [("samples/ltg_Latn".to_owned(), words.to_owned())]);
        assert!(texts(&line).is_empty());
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::create(folder.path(), 3).unwrap();
        events.add(&line).unwrap();
        events.add(&skipped).unwrap();
        events.add(&samples).unwrap();
        // Walked by its lengths the file ends after four records: version, beginning, figures, texts.
        let bytes = std::fs::read(&events.path).unwrap();
        let (mut at, mut records) = (0, 0);
        while at < bytes.len() {
            at += 16 + u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            records += 1;
        }
        assert_eq!((at, records), (bytes.len(), 4));
    }
}
