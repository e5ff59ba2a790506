//! What was typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use tongues_languages::Tag;
use tongues_pipeline::read::Format;
use tongues_pretrain::precision::Precision;

/// From a Wikipedia dump of a small language to a classifier that works in it.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: tongues run recipes/latgalian.toml --data DIR")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Threads; all cores otherwise. The output does not depend on it.
    #[arg(long, visible_alias = "jobs", global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Say only what went wrong.
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// The verbs: one a stage, and a few beside.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a small synthetic wiki and run every stage on it; needs no network and no other file.
    #[command(after_help = "Example: tongues quickstart --output quickstart")]
    Quickstart {
        /// Folder for the wiki and the run.
        #[arg(long, default_value = "quickstart", value_name = "DIR")]
        output: PathBuf,
    },
    /// Run every stage of a recipe that is not done yet.
    #[command(after_help = "Example: tongues run recipes/latgalian.toml --data DIR --output runs/ltg")]
    Run(RecipeArguments),
    /// Read, clean, judge and shard the documents of a recipe.
    Pipeline(RecipeArguments),
    /// Train the SentencePiece vocabulary of a recipe and write token shards.
    Vocabulary(RecipeArguments),
    /// Pretrain the language model of a recipe, after what it needs.
    Pretrain(RecipeArguments),
    /// Fine-tune on the labelled tasks of a recipe, after what they need.
    Finetune(RecipeArguments),
    /// Write report.html of a run.
    #[command(after_help = "Example: tongues report runs/latgalian")]
    Report {
        /// Folder of a run.
        run: PathBuf,
    },
    /// Measure a language model: bits per byte by language, beside n-gram models.
    #[command(after_help = "Example: tongues evaluate quickstart --split validation")]
    Evaluate(EvaluateArguments),
    /// Draw the training of a run in a page on this machine, while it goes on and after.
    #[command(after_help = "Example: tongues watch quickstart")]
    Watch {
        /// Folder of a run, or its `model`.
        run: PathBuf,
        /// Port on localhost; 0: any that is free.
        #[arg(long, default_value_t = 8137, value_name = "N")]
        port: u16,
    },
    /// Label texts with the classifier of a run: one line of JSON a text, on stdout.
    #[command(after_help = "Example: echo 'text' | tongues predict quickstart/classifier/sample_topics_glg_Latn")]
    Predict(PredictArguments),
    /// Wikipedia dumps and other files to plain text, and no more than that.
    #[command(after_help = "Example: tongues extract ltgwiki.xml.bz2 --language ltg_Latn --output ltg.jsonl")]
    Extract(ExtractArguments),
    /// The language of every line: `tag<TAB>score`.
    #[command(
        after_help = "Example: tongues identify --model runs/latgalian/identifier texts.txt | cut -f1 | sort | uniq -c"
    )]
    Identify(IdentifyArguments),
    /// Measure this machine.
    Bench {
        /// What of it.
        #[command(subcommand)]
        what: Bench,
    },
    /// Download a Wikipedia dump, with resume and checksum.
    Fetch {
        /// Where from.
        #[command(subcommand)]
        from: From,
    },
    /// Look at language profiles; train an identifier.
    Languages {
        /// What about them.
        #[command(subcommand)]
        what: Languages,
    },
}

/// A recipe and what overrides it.
#[derive(Debug, Args)]
pub struct RecipeArguments {
    /// The recipe.
    pub recipe: PathBuf,
    /// Folder that the recipe's paths start from [default: the current folder].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of the run [default: the recipe's `output`, else runs/NAME].
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Fill a `${KEY}` of the recipe.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where tensors live; auto: CUDA where binary and machine have it.
    #[arg(long, value_enum, default_value_t, value_name = "DEVICE")]
    pub device: Device,
    /// Print what would be done, and stop.
    #[arg(long)]
    pub dry_run: bool,
}

/// Where tensors live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// CUDA where binary and machine have it, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first CUDA device.
    Cuda,
}

/// A language model and tokens.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// Folder `model` of a run, or the run.
    pub model: PathBuf,
    /// Folder `tokens` of a run, or the run [default: the run the model is in].
    #[arg(long, value_name = "DIR")]
    pub tokens: Option<PathBuf>,
    /// Which documents.
    #[arg(long, value_enum, default_value_t, value_name = "SPLIT")]
    pub split: Split,
    /// Documents of each language at most, evenly spread [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub documents: Option<u32>,
    /// Tokens from one window to the next in long documents [default: half a window].
    #[arg(long, value_name = "TOKENS")]
    pub stride: Option<usize>,
    /// Print evaluation.json instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Where tensors live; auto: CUDA where binary and machine have it.
    #[arg(long, value_enum, default_value_t, value_name = "DEVICE")]
    pub device: Device,
}

/// Parts of the documents of a language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Split {
    /// What the model learnt from.
    Train,
    /// What stopped and chose.
    Validation,
    /// What is looked at once.
    #[default]
    Test,
}

/// A classifier and texts.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// Folder `classifier/NAME` of a run, or the `model` in it.
    pub model: PathBuf,
    /// Texts: one a line, or a table (.tsv, .csv, .jsonl); `-` is stdin, one a line [default: -].
    pub file: Option<PathBuf>,
    /// Column of the text in a table [default: text, tweet or headline].
    #[arg(long, value_name = "NAME")]
    pub text_column: Option<String>,
}

/// Files, and where their text goes.
#[derive(Debug, Args)]
pub struct ExtractArguments {
    /// MediaWiki dumps (.xml), .jsonl, .txt, .html, .parquet, .tsv, .csv; may be compressed (.bz2 .gz .xz .zst).
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// FILE.jsonl or FILE.parquet; JSON lines on stdout otherwise.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Written into every document, as ltg_Latn.
    #[arg(long, value_name = "TAG")]
    pub language: Option<Tag>,
    /// What the inputs are, where their names do not tell: mediawiki, jsonl, text_file, text_lines, text_paragraphs ...
    #[arg(long, value_parser = format)]
    pub format: Option<Format>,
}

/// An identifier and texts.
#[derive(Debug, Args)]
pub struct IdentifyArguments {
    /// Texts, one a line; `-` is stdin [default: -].
    pub files: Vec<PathBuf>,
    /// A fastText model with labels as __label__ltg_Latn, or the folder `identifier` of a run.
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// Choose among these only.
    #[arg(long, value_name = "TAG,TAG", value_delimiter = ',')]
    pub candidates: Vec<Tag>,
    /// Languages a line, best first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    /// A line of JSON with the text for each.
    #[arg(long)]
    pub json: bool,
}

fn format(text: &str) -> Result<Format, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn precision(text: &str) -> Result<Precision, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Tokens a second of training steps on random ids, and where the time goes.
    #[command(after_help = "Example: tongues bench train --d 512 --layers 8 --heads 8 --seq 512 --batch 4")]
    Train(BenchTrainArguments),
}

/// Sizes of what is trained.
#[derive(Debug, Args)]
pub struct BenchTrainArguments {
    /// Pieces of the vocabulary.
    #[arg(long, default_value_t = 8192, value_name = "V")]
    pub vocab: usize,
    /// Hidden width.
    #[arg(long, default_value_t = 256, value_name = "D")]
    pub d: usize,
    /// Width of the feed-forward part [default: 8/3 of D, in eights].
    #[arg(long, value_name = "F")]
    pub intermediate: Option<usize>,
    /// Layers.
    #[arg(long, default_value_t = 4)]
    pub layers: usize,
    /// Attention heads.
    #[arg(long, default_value_t = 4)]
    pub heads: usize,
    /// Tokens in a window.
    #[arg(long, default_value_t = 256, value_name = "T")]
    pub seq: usize,
    /// Windows in a step.
    #[arg(long, default_value_t = 8, value_name = "B")]
    pub batch: usize,
    /// Steps that are measured, after three to warm up.
    #[arg(long, default_value_t = 10)]
    pub steps: usize,
    /// Dropout.
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    pub dropout: f64,
    /// Numbers of the matrix products.
    #[arg(long = "dtype", value_parser = precision, default_value = "f32", value_name = "f32|bf16")]
    pub precision: Precision,
    /// Where tensors live.
    #[arg(long, value_enum, default_value_t, value_name = "DEVICE")]
    pub device: Device,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// Places to download from.
#[derive(Debug, Subcommand)]
pub enum From {
    /// pages-articles-multistream dumps by wiki code.
    #[command(after_help = "Example: tongues fetch wikipedia ltg tn lg --output dumps")]
    Wikipedia {
        /// Wiki codes, as in ltg.wikipedia.org.
        #[arg(required = true)]
        codes: Vec<String>,
        /// Folder for the dumps.
        #[arg(long, default_value = "dumps", value_name = "DIR")]
        output: PathBuf,
        /// A mirror with the same layout.
        #[arg(long, default_value = "https://dumps.wikimedia.org", value_name = "URL")]
        mirror: String,
        /// Date of the dump, as 20261101 [default: the latest].
        #[arg(long)]
        date: Option<String>,
    },
}

/// About languages.
#[derive(Debug, Subcommand)]
pub enum Languages {
    /// One line a profile: tag, name, own name, family.
    List,
    /// Train a fastText identifier from labelled text.
    #[command(after_help = "Example: tongues languages train 'text/{language}.txt' --output identifier")]
    Train {
        /// Files of one sentence a line; `{language}` stands for the tag in the name.
        #[arg(required = true)]
        texts: Vec<String>,
        /// Folder for identifier.bin and card.json.
        #[arg(long, default_value = "identifier", value_name = "DIR")]
        output: PathBuf,
    },
}
