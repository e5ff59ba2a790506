//! Sizes by name, from what a laptop trains in minutes to what takes a day of a large accelerator.

use serde_json::{Map, Value};

/// A named size. The name is the number of parameters, to one part in twenty, of a `llama` decoder with a tied head and
/// [`VOCABULARY`] pieces; `qwen3` has a few more, and so have the layouts with learned positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Parameters: `m` for million.
    pub name: &'static str,
    /// D.
    pub hidden_size: usize,
    /// Blocks.
    pub layers: usize,
    /// H; heads are 32 wide, and 64 from 10 million on.
    pub heads: usize,
    /// F of a gated unit: 8/3 D, as in Llama, rounded to 16. Layouts without a gate take 4 D, which is as many
    /// parameters.
    pub intermediate_size: usize,
}

/// Pieces of vocabulary the names reckon with.
pub const VOCABULARY: usize = 8192;

const fn preset(name: &'static str, sizes: [usize; 4]) -> Preset {
    let [hidden_size, layers, heads, intermediate_size] = sizes;
    Preset { name, hidden_size, layers, heads, intermediate_size }
}

/// All, from small to large. The shape of `90m` is that of GPT and GPT-2's smallest; that of `350m` has the depth and
/// width of Qwen3's smallest.
pub const PRESETS: [Preset; 6] = [
    preset("1m", [96, 2, 3, 256]),
    preset("3m", [192, 3, 6, 512]),
    preset("10m", [320, 6, 5, 864]),
    preset("30m", [512, 8, 8, 1376]),
    preset("90m", [768, 12, 12, 2048]),
    preset("350m", [1024, 28, 16, 2736]),
];

/// The preset of this name.
///
/// # Errors
/// A sentence with the names there are.
pub fn named(name: &str) -> Result<&'static Preset, String> {
    let known = || PRESETS.map(|preset| preset.name).join(", ");
    let found = PRESETS.iter().find(|preset| preset.name == name);
    found.ok_or_else(|| format!("no preset `{name}`; known: {}", known()))
}

/// Puts the sizes of the preset that `given` names under the keys that are not in it; `gated` says whether the
/// feed-forward map has a gate.
///
/// # Errors
/// As [`named`].
pub(crate) fn lay_under(given: &mut Map<String, Value>, gated: bool) -> Result<(), String> {
    let Some(name) = given.get("preset").and_then(Value::as_str) else { return Ok(()) };
    let preset = named(name)?;
    let intermediate = if gated { preset.intermediate_size } else { 4 * preset.hidden_size };
    let sizes = [
        ("hidden_size", preset.hidden_size),
        ("layers", preset.layers),
        ("heads", preset.heads),
        ("intermediate_size", intermediate),
    ];
    for (key, size) in sizes {
        given.entry(key).or_insert(size.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::config::DecoderConfig;
    use crate::models::layout::Layout;
    use serde_json::json;

    fn of(preset: &Preset, layout: Layout) -> DecoderConfig {
        let text = json!({ "preset": preset.name, "layout": layout, "vocabulary_size": VOCABULARY });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn names_are_parameter_counts() {
        for preset in &PRESETS {
            let millions: f64 = preset.name.strip_suffix('m').unwrap().parse().unwrap();
            let count = of(preset, Layout::Llama).parameters() as f64;
            assert!((count / (millions * 1e6) - 1.0).abs() < 0.05, "{}: {count}", preset.name);
        }
    }

    #[test]
    fn counts_are_those_of_the_formulas() {
        for preset in &PRESETS {
            let Preset { hidden_size: d, layers, heads, intermediate_size: f, .. } = *preset;
            let (v, t, k) = (VOCABULARY, DecoderConfig::default().context_length, d / heads);
            // q, k, v, o: 4 D²; gate, up, down: 3 DF; two norms. Qwen3 has norms of K for queries and keys.
            let llama = v * d + layers * (4 * d * d + 3 * d * f + 2 * d) + d;
            // c_attn 3 D² + 3 D, c_proj D² + D, c_fc 4 D² + 4 D, c_proj 4 D² + D, two norms of 2 D.
            let gpt1 = (v + t) * d + layers * (12 * d * d + 13 * d);
            let expected = [llama, llama + layers * 2 * k, gpt1 + 2 * d, gpt1];
            for (layout, expected) in Layout::ALL.into_iter().zip(expected) {
                let config = of(preset, layout);
                config.check().unwrap();
                assert_eq!(config.parameters(), expected, "{} {layout:?}", preset.name);
            }
        }
    }

    #[test]
    fn a_size_given_beside_the_preset_wins() {
        let of = |given: serde_json::Value| serde_json::from_value::<DecoderConfig>(given);
        let config = of(json!({ "preset": "10m", "layers": 2, "context_length": 64 })).unwrap();
        assert_eq!((config.hidden_size, config.layers, config.context_length), (320, 2, 64));
        assert_eq!(of(json!({})).unwrap(), DecoderConfig::default());
        assert_eq!(of(serde_json::to_value(&config).unwrap()).unwrap(), config);
        let message = of(json!({ "preset": "10M" })).unwrap_err().to_string();
        assert!(message.contains("no preset `10M`; known: 1m, 3m, 10m"), "{message}");
        assert!(of(json!({ "hiden_size": 3 })).unwrap_err().to_string().contains("unknown field `hiden_size`"));
        assert!(of(json!({ "layout": "gpt3" })).unwrap_err().to_string().contains("unknown variant `gpt3`"));
    }
}
