//! Percent-encoding of what is put into addresses. PURE.

use std::fmt::Write as _;

/// The bytes of a path or of a part of one, as an address may hold them: slashes stay, and paths need not be text.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for byte in bytes {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                encoded.push(char::from(*byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("a string takes all that is written to it"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_path_or_is_no_text_is_encoded() {
        assert_eq!(encoded(b"/home/dev/a-b_c.db"), "/home/dev/a-b_c.db");
        assert_eq!(encoded("/a b?c#d&e%f=ü".as_bytes()), "/a%20b%3Fc%23d%26e%25f%3D%C3%BC");
        assert_eq!(encoded(b"\xff\0"), "%FF%00");
    }
}
