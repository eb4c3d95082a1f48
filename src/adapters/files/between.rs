//! Searches what lies between the head and the tail of a transcript for a line.

use std::fs::File;
use std::io;
use std::ops::Range;

use memchr::memmem;

use super::reading::read_at;

/// Bytes searched at once.
const SEARCHED: usize = 64 << 10;

/// Longest line that is taken over from there: such lines hold a title or the like.
const BETWEEN_MAX: usize = 64 << 10;

/// Searches parts of a gap, each from its end, for the last complete line that holds the text; the line comes
/// with its end. One that is too long to be taken over is not found. A gap begins and ends with a line.
pub(super) fn last_line_in<'a>(
    file: &File,
    gap: &Range<u64>,
    parts: impl IntoIterator<Item = Range<u64>>,
    text: &str,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<&'a [u8]>> {
    let needle = memmem::Finder::new(text);
    for part in parts {
        if let Some(hit) = last_hit(file, part, &needle, buffer)? {
            return line_around(file, gap, hit, buffer);
        }
    }
    Ok(None)
}

/// Where the last of that text is that lies whole in the part.
fn last_hit(
    file: &File,
    part: Range<u64>,
    needle: &memmem::Finder<'_>,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<u64>> {
    let overlap = needle.needle().len().saturating_sub(1);
    let mut end = part.end;
    while end > part.start {
        let start = end.saturating_sub(SEARCHED as u64).max(part.start);
        // What begins before `end` is searched, so a text across the seam is found on one of its sides.
        let len = usize::try_from(end - start).unwrap_or(SEARCHED);
        let reach = len + usize::try_from(part.end - end).map_or(overlap, |it| it.min(overlap));
        let bytes = read_at(file, buffer, start, reach)?;
        if let Some(hit) = needle.find_iter(bytes).last() {
            return Ok(Some(start + hit as u64));
        }
        end = start;
    }
    Ok(None)
}

fn line_around<'a>(
    file: &File,
    gap: &Range<u64>,
    hit: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<&'a [u8]>> {
    let start = hit.saturating_sub(BETWEEN_MAX as u64).max(gap.start);
    let before = usize::try_from(hit - start).unwrap_or(BETWEEN_MAX);
    let after = usize::try_from(gap.end - hit).map_or(BETWEEN_MAX, |it| it.min(BETWEEN_MAX));
    let bytes = read_at(file, buffer, start, before + after)?;
    let before = before.min(bytes.len());
    let from = match memchr::memrchr(b'\n', &bytes[..before]) {
        Some(at) => at + 1,
        None if start == gap.start => 0,
        None => return Ok(None),
    };
    let to = memchr::memchr(b'\n', &bytes[before..]).map(|at| before + at + 1);
    Ok(to.map(|to| &bytes[from..to]))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn last_line(content: &[u8], part: Range<u64>) -> Option<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut buffer = Vec::new();
        let line = last_line_in(&file, &part, [part.clone()], "needle", &mut buffer).unwrap();
        line.map(|it| String::from_utf8_lossy(it).into_owned())
    }

    #[test]
    fn the_last_line_between_is_found_across_any_seam() {
        for shift in 0..16 {
            let after = "y".repeat(SEARCHED - shift);
            let content = format!("needle 1\nneedle 2\n{after}\n");
            let end = content.len() as u64;
            assert_eq!(last_line(content.as_bytes(), 0..end).as_deref(), Some("needle 2\n"));
        }
    }

    #[test]
    fn nothing_outside_the_part_is_taken() {
        let content = b"needle 1\nplain\nneedle 2\n";
        assert_eq!(last_line(content, 9..15), None);
        assert_eq!(last_line(content, 0..15).as_deref(), Some("needle 1\n"));
        assert_eq!(last_line(content, 15..15), None);
    }

    #[test]
    fn a_line_too_long_to_be_taken_over_is_not() {
        let content = format!("x{}needle\n", "x".repeat(BETWEEN_MAX));
        assert_eq!(last_line(format!("a\n{content}").as_bytes(), 0..content.len() as u64), None);
    }
}
