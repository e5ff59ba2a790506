//! SentencePiece's C++ trainer: arguments and a stream of sentences in, the bytes of a model out.

use crate::error::{Error, Result};
use std::ffi::{c_int, c_void};

/// As the shim's `NextSentence`.
type NextSentence = extern "C" fn(*mut c_void, *mut *const u8, *mut usize) -> c_int;

unsafe extern "C" {
    fn tongues_trainer_train(
        arguments: *const u8,
        arguments_length: usize,
        next: NextSentence,
        context: *mut c_void,
        output: *mut *mut u8,
        output_length: *mut usize,
    ) -> c_int;
    fn tongues_trainer_free(output: *mut u8);
}

/// What the C++ side hands back to us at every call: the sentences, the one it reads just now, and what went wrong.
struct Stream<'a> {
    sentences: &'a mut dyn Iterator<Item = Result<String>>,
    current: String,
    failure: Option<Error>,
}

extern "C" fn next_sentence(context: *mut c_void, bytes: *mut *const u8, length: *mut usize) -> c_int {
    // SAFETY: `context` is the `Stream` of the call of `train` below that is still running, used from its thread only;
    // `bytes` and `length` point to variables of the shim.
    let stream = unsafe { &mut *context.cast::<Stream>() };
    if stream.failure.is_some() {
        return -1;
    }
    match stream.sentences.next() {
        None => 0,
        Some(Err(error)) => {
            stream.failure = Some(error);
            -1
        }
        Some(Ok(sentence)) => {
            stream.current = sentence;
            // SAFETY: as above; the sentence lives in `stream` until the next call.
            unsafe {
                *bytes = stream.current.as_ptr();
                *length = stream.current.len();
            }
            1
        }
    }
}

/// Trains with the trainer's own `arguments` (`("vocab_size", "8000")`; values without spaces) on `sentences`.
///
/// Returns the bytes of a `.model` file. An error of the stream comes back as it is; what the trainer itself refuses
/// is [`Error::Settings`].
pub fn train(arguments: &[(&str, String)], sentences: &mut dyn Iterator<Item = Result<String>>) -> Result<Vec<u8>> {
    let line = arguments.iter().map(|(name, value)| format!("--{name}={value}")).collect::<Vec<_>>().join(" ");
    let mut stream = Stream { sentences, current: String::new(), failure: None };
    let (mut output, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: all pointers outlive the call; the shim catches exceptions and keeps none of the pointers.
    let code = unsafe {
        tongues_trainer_train(
            line.as_ptr(),
            line.len(),
            next_sentence,
            (&raw mut stream).cast::<c_void>(),
            &mut output,
            &mut length,
        )
    };
    let bytes = if output.is_null() {
        Vec::new()
    } else {
        // SAFETY: the shim allocated `length` bytes there; they are copied, then freed once.
        unsafe {
            let bytes = std::slice::from_raw_parts(output, length).to_vec();
            tongues_trainer_free(output);
            bytes
        }
    };
    match (stream.failure, code) {
        (Some(error), _) => Err(error),
        (None, 0) => Ok(bytes),
        (None, _) => Err(Error::Settings(explanation(&String::from_utf8_lossy(&bytes)))),
    }
}

/// The trainer's message in words that say what to change.
fn explanation(message: &str) -> String {
    if let Some((_, limit)) = message.split_once("set it to a value <= ") {
        let limit: String = limit.chars().take_while(char::is_ascii_digit).collect();
        return format!(
            "vocabulary size: the text has too few distinct pieces; the largest size that works is {limit}"
        );
    }
    if let Some((_, counts)) = message.split_once("Vocabulary size is smaller than required_chars. ") {
        let counts = counts.split(". ").next().unwrap_or(counts);
        return format!(
            "vocabulary size: smaller than the characters and bytes it must hold ({counts}); raise `size` or lower `coverage`"
        );
    }
    if message.contains("!sentences_.empty()") {
        return "vocabulary: no text to train on".to_owned();
    }
    format!("vocabulary: the trainer refused: {message}")
}
