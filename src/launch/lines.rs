//! The lines of what an agent says, in which its session is looked for. PURE.

use std::mem;

/// Most bytes of a line that is looked at; the lines that tell a session are below 2 KiB.
const LINE_MAX: usize = 256 << 10;

/// The line that has begun.
#[derive(Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// Looks at each line that ends here, until `look` finds something in one.
    pub(super) fn take_in<T>(
        &mut self,
        output: &[u8],
        look: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<T> {
        for piece in output.split_inclusive(|it| *it == b'\n') {
            self.is_too_long |= self.begun.len() + piece.len() > LINE_MAX;
            if self.is_too_long {
                self.begun.clear();
            } else {
                self.begun.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let line = mem::take(&mut self.begun);
                if !mem::take(&mut self.is_too_long)
                    && let Some(found) = look(line.trim_ascii())
                {
                    return Some(found);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_looked_at_once_it_is_whole_and_up_to_its_limit() {
        let told = |lines: &mut Lines, output: &[u8]| {
            lines.take_in(output, |line| line.strip_suffix(b"!").map(<[u8]>::len))
        };
        let mut lines = Lines::default();
        assert_eq!(told(&mut lines, b"one\ntw"), None);
        assert_eq!(told(&mut lines, b"o!"), None);
        assert_eq!(told(&mut lines, b"\n"), Some(3));

        let longest = [vec![b'x'; LINE_MAX - 2], b"!\n".to_vec()].concat();
        assert_eq!(told(&mut lines, &longest), Some(LINE_MAX - 2));
        let too_long = [&b"x"[..], &longest].concat();
        assert_eq!(told(&mut lines, &too_long), None);
        // Neither does its end pass for a line, and what follows is as good as ever.
        assert_eq!(told(&mut lines, &too_long[..LINE_MAX]), None);
        assert_eq!(told(&mut lines, b"end!\n"), None);
        assert_eq!(told(&mut lines, b"next!\n"), Some(4));
    }
}
