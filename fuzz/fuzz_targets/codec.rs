//! Whatever arrives, in whatever pieces, the decoder neither panics nor keeps more than one message.
#![no_main]

use headcount::transport::frame::{Decoder, Framing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, stream)) = data.split_first() else { return };
    let framing = match choice % 3 {
        0 => None,
        1 => Some(Framing::ContentLength),
        _ => Some(Framing::Lines),
    };
    // The rest of the choice says how large the pieces are.
    let piece = usize::from(choice / 3) + 1;
    let mut decoder = Decoder::new(framing);
    for mut input in stream.chunks(piece) {
        if decoder.recognise(&mut input).is_none() {
            continue;
        }
        while let Some(decoded) = decoder.decode(&mut input) {
            if decoded.is_err_and(|error| error.is_fatal()) {
                return;
            }
        }
    }
    drop(decoder.finish());
});
