//! What was typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use tongues_languages::Tag;
use tongues_pipeline::read::{Format, HtmlContent};
use tongues_pipeline::wikitext::{Shown, Use, Variant};
use tongues_pretrain::optimiser::Rule;
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
        /// Texts of another program to show beside ours: JSON lines with id, title, text, as WikiExtractor's --json.
        #[arg(long, value_name = "FILE.jsonl")]
        beside: Option<PathBuf>,
    },
    /// Measure a language model: bits per byte by language, beside n-gram models.
    #[command(after_help = "Example: tongues evaluate quickstart --split validation")]
    Evaluate(EvaluateArguments),
    /// Go on with a text by a language model: texts on stdout, or lines of JSON.
    #[command(after_help = "Example: tongues sample quickstart --prompt 'text' --count 3 --temperature 0.8")]
    Sample(SampleArguments),
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
    /// The language of every line: `tag<TAB>score`; `und_Latn` (`und_Cyrl` …) where it cannot be told, `zxx_Zzzz` where
    /// there is none.
    ///
    /// It cannot be told where the best language's probability is below that language's threshold (its card has it), of
    /// fewer than five letters, where several languages are written in the script, and in a script of no known language.
    #[command(after_help = "Example: tongues identify texts.txt | cut -f1 | sort | uniq -c")]
    Identify(IdentifyArguments),
    /// Measure this machine.
    Bench {
        /// What of it.
        #[command(subcommand)]
        what: Bench,
    },
    /// Compare everything a device computes with the same in f64 on the CPU.
    #[command(after_help = "Example: tongues selftest --device cuda")]
    Selftest {
        /// Where tensors live; auto: CUDA where binary and machine have it.
        #[arg(long, value_enum, default_value_t, value_name = "DEVICE")]
        device: Device,
        /// One line of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Download a Wikipedia dump, with resume and checksum.
    Fetch {
        /// Where from.
        #[command(subcommand)]
        from: From,
    },
    /// Look at language profiles, derive them from text; train an identifier.
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

/// A language model, a text, and how to go on with it.
#[derive(Debug, Args)]
pub struct SampleArguments {
    /// Folder `model` of a run, or the run.
    pub model: PathBuf,
    /// Text to go on with, or with `<mask>` in it for an encoder [default: stdin where it is no terminal, else none: a new
    /// text].
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Of the text, for a model with language tokens [default: the only one it has].
    #[arg(long, value_name = "TAG")]
    pub language: Option<Tag>,
    /// How many texts; for each `<mask>` how many candidates [default: 1; 5].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    /// Tokens of each at most. Beyond the model's context the window slides by half.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub tokens: u32,
    /// No N tokens in a row twice; 0: as it comes.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub no_repeat: u32,
    /// Below 1 the likely get likelier; 0: the likeliest token each time.
    #[arg(long, default_value_t = 1.0, value_name = "X", help_heading = "Drawing")]
    pub temperature: f64,
    /// From the smallest set of likeliest tokens with this probability.
    #[arg(long, default_value_t = 0.95, value_name = "X", help_heading = "Drawing")]
    pub top_p: f64,
    /// From the likeliest N tokens; 0: all.
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Drawing")]
    pub top_k: u32,
    /// The same seed, the same texts.
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Drawing")]
    pub seed: u64,
    /// Search the likeliest texts with a beam of this width; nothing is drawn.
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["temperature", "top_p", "top_k", "seed"],
        help_heading = "Searching",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub beam: Option<u32>,
    /// Power of its tokens that a text's log-probability is divided by; 0 favours the short.
    #[arg(long, default_value_t = 1.0, value_name = "X", requires = "beam", help_heading = "Searching")]
    pub length_power: f64,
    /// A line of JSON for each: prompt, text, tokens, log-probability, bits per byte; or a `<mask>` with its candidates.
    #[arg(long)]
    pub json: bool,
    /// Where tensors live; auto: CUDA where binary and machine have it.
    #[arg(long, value_enum, default_value_t, value_name = "DEVICE")]
    pub device: Device,
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
    /// MediaWiki dumps (.xml), .jsonl, .txt, .html, .warc, .wet, bibles (.xml), .parquet, .tsv, .csv; may be compressed
    /// (.bz2 .gz .xz .zst), in a .tar or .zip, or in a folder.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// FILE.jsonl or FILE.parquet; JSON lines on stdout otherwise.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Written into every document, as ltg_Latn.
    #[arg(long, value_name = "TAG")]
    pub language: Option<Tag>,
    /// What the inputs are, where name and first bytes do not tell: text_file, text_lines, text_paragraphs ...
    #[arg(long, value_parser = format)]
    pub format: Option<Format>,
    /// Put in what the dump's own templates give (expand), or leave them out (drop).
    #[arg(long, value_enum, default_value_t, value_name = "USE")]
    pub templates: Templates,
    /// Sections of references and links at the end of a dump's pages, by the wiki's own titles: drop or keep.
    #[arg(long, value_name = "USE", default_value = "drop", value_parser = used)]
    pub closing_sections: Use,
    /// Tables of a dump's pages, a row a line: drop or keep.
    #[arg(long, value_name = "USE", default_value = "drop", value_parser = used)]
    pub tables: Use,
    /// Boxes with a page's main facts, the same.
    #[arg(long, value_name = "USE", default_value = "drop", value_parser = used)]
    pub infoboxes: Use,
    /// Captions of galleries, as lists: drop or keep.
    #[arg(long, value_name = "USE", default_value = "drop", value_parser = used)]
    pub galleries: Use,
    /// Readings of characters (ruby), in parentheses behind them: drop or keep.
    #[arg(long, value_name = "USE", default_value = "drop", value_parser = used)]
    pub readings: Use,
    /// Formulas: source, placeholder (U+FFFC) or drop.
    #[arg(long, value_name = "SHOWN", default_value = "source", value_parser = shown)]
    pub math: Shown,
    /// Programs in pages: source, placeholder or drop.
    #[arg(long, value_name = "SHOWN", default_value = "source", value_parser = shown)]
    pub code: Shown,
    /// Of texts that a wiki writes in several variants the one taken, as zh-hant or Hant [default: by --language].
    #[arg(long, value_name = "CODE", value_parser = variant)]
    pub variant: Option<Variant>,
    /// Run the modules in Lua that these templates call (run), or leave their calls out (drop).
    #[arg(long, value_enum, default_value_t, value_name = "USE")]
    pub modules: Modules,
    /// Of web pages: the part with the running text (main), or all but menus and scripts (whole).
    #[arg(long, value_parser = html_content, default_value = "main", value_name = "CONTENT")]
    pub html: HtmlContent,
    /// Where tables and JSON lines have text, id, title, url or timestamp: text=content; a.b is b inside of a.
    #[arg(long, value_name = "WHAT=COLUMN")]
    pub column: Vec<String>,
    /// As windows-1257 [default: by what a file says and looks like].
    #[arg(long, value_name = "LABEL")]
    pub encoding: Option<String>,
}

/// What becomes of a wiki's templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Templates {
    /// What they give is text of the page, where the dump has them.
    #[default]
    Expand,
    /// They are left out, but for those that only dress their text.
    Drop,
}

/// What becomes of a wiki's modules, programs in Lua that its templates call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Modules {
    /// They run, and what they say is text of the page.
    Run,
    /// Their calls are left out.
    #[default]
    Drop,
}

/// An identifier and texts.
#[derive(Debug, Args)]
pub struct IdentifyArguments {
    /// Texts, one a line; `-` is stdin [default: -].
    pub files: Vec<PathBuf>,
    /// A fastText model, or the folder `identifier` of a run [default: the one in this program, of 216 languages].
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Choose among these only.
    #[arg(long, value_name = "TAG,TAG", value_delimiter = ',')]
    pub candidates: Vec<Tag>,
    /// Languages a line, best first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    /// A line of JSON with the text for each.
    #[arg(long)]
    pub json: bool,
    /// The most probable language, even where it cannot be told: below its threshold, or of fewer than five letters.
    #[arg(long)]
    pub guess: bool,
}

fn format(text: &str) -> Result<Format, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn used(text: &str) -> Result<Use, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn shown(text: &str) -> Result<Shown, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn variant(text: &str) -> Result<Variant, String> {
    text.to_owned().try_into()
}

fn html_content(text: &str) -> Result<HtmlContent, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn precision(text: &str) -> Result<Precision, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn rule(text: &str) -> Result<Rule, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Tokens a second of training steps on random ids, and where the time goes.
    #[command(after_help = "Examples: tongues bench train --d 512 --layers 8 --heads 8 --seq 512 --batch 4
          tongues bench train --model awd-lstm")]
    Train(BenchTrainArguments),
}

/// What can be measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchModel {
    /// A transformer's decoder.
    #[default]
    Decoder,
    /// A transformer's encoder that tells hidden tokens, as RoBERTa.
    Encoder,
    /// LSTMs, as fastai's AWD-LSTM.
    AwdLstm,
    /// Quasi-recurrent layers.
    Qrnn,
}

/// Sizes of what is trained.
#[derive(Debug, Args)]
pub struct BenchTrainArguments {
    /// What is trained; d, layers, seq and batch have the defaults in brackets, those of decoder and encoder first.
    #[arg(long, value_enum, default_value_t, value_name = "MODEL")]
    pub model: BenchModel,
    /// Pieces of the vocabulary.
    #[arg(long, default_value_t = 8192, value_name = "V")]
    pub vocab: usize,
    /// Hidden width of decoder or encoder; of a recurrent model the embedding's [default: 256; 400].
    #[arg(long, value_name = "D")]
    pub d: Option<usize>,
    /// Width of the feed-forward part [default: 8/3 of D, in eights; of an encoder 4 D].
    #[arg(long, value_name = "F")]
    pub intermediate: Option<usize>,
    /// Width of a recurrent model's layers.
    #[arg(long, default_value_t = 1152, value_name = "H")]
    pub hidden: usize,
    /// Layers [default: 4; 3 of awd-lstm].
    #[arg(long)]
    pub layers: Option<usize>,
    /// Attention heads of decoder or encoder.
    #[arg(long, default_value_t = 4)]
    pub heads: usize,
    /// Tokens in a window [default: 256; 70].
    #[arg(long, value_name = "T")]
    pub seq: Option<usize>,
    /// Windows in a step [default: 8; 40].
    #[arg(long, value_name = "B")]
    pub batch: Option<usize>,
    /// Steps that are measured, after three to warm up.
    #[arg(long, default_value_t = 10)]
    pub steps: usize,
    /// Dropout.
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    pub dropout: f64,
    /// Numbers of the matrix products.
    #[arg(long = "dtype", value_parser = precision, default_value = "f32", value_name = "f32|bf16")]
    pub precision: Precision,
    /// Run each block again in the backward pass, in place of keeping what it computed.
    #[arg(long)]
    pub recompute: bool,
    /// adamw, sgd, muon or nt_asgd.
    #[arg(long, default_value = "adamw", value_name = "RULE", value_parser = rule)]
    pub optimiser: Rule,
    /// Average the weights with this decay [default: no average].
    #[arg(long, default_value_t = 0.0, value_name = "DECAY", hide_default_value = true)]
    pub average: f64,
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
    /// One line a profile: tag, name, own name, family, region.
    List,
    /// All that a profile says.
    #[command(after_help = "Example: tongues languages show ltg_Latn")]
    Show {
        /// Language, as ltg_Latn.
        tag: String,
    },
    /// Languages near one: by family, then script, then region.
    #[command(after_help = "Example: tongues languages related ltg_Latn")]
    Related {
        /// Language, as ltg_Latn.
        tag: String,
        /// Languages shown, nearest first.
        #[arg(long, default_value_t = 15, value_name = "N")]
        count: usize,
    },
    /// Digits, function words and thresholds from text, into profiles or to stdout.
    #[command(
        after_help = "Example: tongues languages derive 'text/{language}.txt' --text 'Our stories' --licence 'CC BY 4.0'"
    )]
    Derive {
        /// Files of one sentence a line; `{language}` stands for the tag in the name.
        #[arg(required = true)]
        texts: Vec<String>,
        /// Name of the text, as the profiles shall give it.
        #[arg(long, value_name = "NAME")]
        text: String,
        /// Licence of the text.
        #[arg(long, value_name = "LICENCE")]
        licence: String,
        /// Folder of profiles to write into [default: print].
        #[arg(long, value_name = "DIR")]
        profiles: Option<PathBuf>,
    },
    /// The tests that every profile goes through.
    #[command(after_help = "Example: tongues languages check")]
    Check {
        /// The whole table in Markdown, as docs/profiles.md has it, in place of the failures.
        #[arg(long)]
        table: bool,
    },
    /// Train a fastText identifier from labelled text.
    #[command(after_help = "Example: tongues languages train 'text/{language}.txt' --output identifier")]
    Train {
        /// Files of one sentence a line; `{language}` stands for the tag in the name, `*` before it for anything.
        #[arg(required = true)]
        texts: Vec<String>,
        /// Text of another source to measure by, as NAME=PATTERN.
        #[arg(long = "test", value_name = "NAME=PATTERN")]
        tests: Vec<String>,
        /// What the card says of the training text: name and licence.
        #[arg(long, value_name = "TEXT")]
        trained_on: Vec<String>,
        /// Languages that are learned and never given.
        #[arg(long, value_name = "TAG,TAG", value_delimiter = ',')]
        withhold: Vec<Tag>,
        /// Settings of the identifier that comes with the program: at most 3 MB, with a label for noise and code.
        #[arg(long)]
        small: bool,
        /// Folder for identifier.bin, card.json and, with --small, groups.bin.
        #[arg(long, default_value = "identifier", value_name = "DIR")]
        output: PathBuf,
    },
}
