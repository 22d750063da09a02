//! Decoders of others over bytes of anybody.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use tsds_traits::{Error, Result, panic_text};

thread_local! {
    /// Whether this thread is in a decoder, whose panics are told as errors and not printed.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder. That it fails or panics means that the file is damaged.
///
/// # Errors
///
/// `InvalidInput`, naming the file and what the decoder says.
pub(super) fn decoding<T, E: std::error::Error + Send + Sync + 'static>(
    file: &str,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    let damaged = |cause: String| {
        Error::invalid_input("the file is damaged, or uses what cannot be read")
            .with("file", file)
            .with("cause", cause)
    };
    hush_decoders();
    let before = DECODING.replace(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(before);
    match decoded {
        Ok(decoded) => decoded.map_err(|error| damaged(error.to_string())),
        Err(panic) => Err(damaged(format!("the decoder panicked: {}", panic_text(&*panic)))),
    }
}

/// Keeps what panics in decoders would print off the terminal.
fn hush_decoders() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !DECODING.get() {
                print(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_decoder_that_fails_or_panics_is_an_error_that_names_the_file() {
        let failed = decoding("a.parquet", || Err::<(), _>(io::Error::other("no footer"))).unwrap_err();
        assert!(failed.to_string().ends_with("file=a.parquet cause=no footer"), "{failed}");
        let panicked = decoding("a.parquet", || -> io::Result<()> { panic!("index out of bounds") });
        let text = panicked.unwrap_err().to_string();
        assert!(text.ends_with("file=a.parquet cause=the decoder panicked: index out of bounds"), "{text}");
    }
}
