//! The likeliest tokens, and those of a beam, after each prompt, for comparing with another implementation:
//! `generate MODEL_DIR PROMPTS.json TOKENS WIDTH NO_REPEAT` with PROMPTS.json a list of lists of ids; JSON on stdout, for each prompt
//! the ids after it, `</s>` included: `[{"greedy":[5,2],"beam":[5,7]}]`.

use candle_core::Device;
use serde_json::json;
use tongues_pipeline::progress::Silent;
use tongues_pretrain::generate::beam::BeamSettings;
use tongues_pretrain::generate::sampling::Sampling;
use tongues_pretrain::generate::{Settings, Strategy, generate};
use tongues_pretrain::models;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, prompts, tokens, width, no_repeat] = &words[..] else {
        return Err("usage: generate MODEL_DIR PROMPTS.json TOKENS WIDTH NO_REPEAT".into());
    };
    let (tokens, width, no_repeat) = (tokens.parse()?, width.parse()?, no_repeat.parse()?);
    let model = models::load(folder.as_ref(), &Device::Cpu)?;
    let model = model.as_causal().ok_or("the model does not go on with a text")?;
    let prompts: Vec<Vec<u32>> = serde_json::from_slice(&std::fs::read(prompts)?)?;
    let mut all = Vec::new();
    for prompt in &prompts {
        let ids = |strategy| -> Result<Vec<u32>, tongues_pretrain::Error> {
            let settings = Settings { tokens, strategy, no_repeat, never: Vec::new(), seed: 0 };
            let found = generate(model, prompt, 0..1, &settings, &Silent)?.swap_remove(0);
            Ok(found.tokens.into_iter().chain(found.ended.then_some(model.config().special().1)).collect())
        };
        let beam = BeamSettings { width, length_power: 1.0 };
        all.push(json!({ "greedy": ids(Strategy::Sample(Sampling::GREEDY))?, "beam": ids(Strategy::Beam(beam))? }));
    }
    serde_json::to_writer(std::io::stdout().lock(), &all)?;
    Ok(())
}
