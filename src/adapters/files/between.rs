//! Searches what lies between the head and the tail of a transcript for a line.

use std::fs::File;
use std::io;
use std::ops::Range;

use memchr::memmem;

use super::reading::read_at;
use crate::adapters::excerpt::Sought;

/// Bytes searched at once.
const SEARCHED: usize = 64 << 10;

/// Longest line that is taken over from there: such lines hold a title or the like.
const BETWEEN_MAX: usize = 64 << 10;

/// Searches the late and then the early part of a gap, each from its end, for the last complete line of the sought
/// sort; where the second best is known, or found in the late part, the early one is not searched. The line comes with its
/// end. One that is too long to be taken over is not found. A gap begins and ends with a line.
pub(super) fn last_line_in<'a>(
    file: &File,
    gap: &Range<u64>,
    [late, early]: [Range<u64>; 2],
    sought: Sought,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<&'a [u8]>> {
    let search = Search { file, sought, ending: memmem::Finder::new(sought.ending) };
    let late = search.last_hits(late, buffer)?;
    let hit = match (late.best.or(late.second_best), sought.second_best) {
        (None, Some(_)) => search.last_hits(early, buffer)?.best,
        (hit, _) => hit,
    };
    match hit {
        Some(hit) => line_around(file, gap, hit, buffer),
        None => Ok(None),
    }
}

struct Search<'a> {
    file: &'a File,
    sought: Sought,
    ending: memmem::Finder<'a>,
}

/// Where the last text of each sort is.
#[derive(Default)]
struct Hits {
    best: Option<u64>,
    second_best: Option<u64>,
}

impl Search<'_> {
    /// Where the last texts are that lie whole in the part; no further than to the best.
    fn last_hits(&self, part: Range<u64>, buffer: &mut Vec<u8>) -> io::Result<Hits> {
        let Sought { ending, beginning, second_best } = self.sought;
        let lead = beginning.len().max(second_best.map_or(0, str::len)) as u64;
        let overlap = ending.len().saturating_sub(1) as u64;
        let mut hits = Hits::default();
        let mut end = part.end;
        while end > part.start && hits.best.is_none() {
            let start = end.saturating_sub(SEARCHED as u64).max(part.start);
            // A text across a seam is found whole on one of its sides: with what comes before the seam where its
            // ending begins behind it, and else with what comes after.
            let from = start.saturating_sub(lead).max(part.start);
            let to = (end + overlap).min(part.end);
            let len = usize::try_from(to - from).unwrap_or(SEARCHED);
            let bytes = read_at(self.file, buffer, from, len)?;
            let mut later = None;
            for hit in self.ending.find_iter(bytes) {
                let before = &bytes[..hit];
                let at = Some(from + hit as u64);
                if before.ends_with(beginning.as_bytes()) {
                    hits.best = at;
                } else if second_best.is_some_and(|it| before.ends_with(it.as_bytes())) {
                    later = at;
                }
            }
            hits.second_best = hits.second_best.or(later);
            end = start;
        }
        Ok(hits)
    }
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

    const SOUGHT: Sought = Sought { ending: "dle", beginning: "nee", second_best: Some("can") };

    fn last_line(content: &[u8], parts: [Range<u64>; 2], sought: Sought) -> Option<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let gap = parts[1].start..parts[0].end;
        let mut buffer = Vec::new();
        let line = last_line_in(&file, &gap, parts, sought, &mut buffer).unwrap();
        line.map(|it| String::from_utf8_lossy(it).into_owned())
    }

    fn last_line_of(content: &[u8], part: Range<u64>) -> Option<String> {
        let early = part.start..part.start;
        last_line(content, [part, early], SOUGHT)
    }

    #[test]
    fn the_last_line_between_is_found_across_any_seam() {
        for shift in 0..16 {
            let after = "y".repeat(SEARCHED - shift);
            let content = format!("needle 1\nneedle 2\n{after}\n");
            let end = content.len() as u64;
            assert_eq!(last_line_of(content.as_bytes(), 0..end).as_deref(), Some("needle 2\n"));
            let content = content.replace("needle", "candle");
            assert_eq!(last_line_of(content.as_bytes(), 0..end).as_deref(), Some("candle 2\n"));
        }
    }

    #[test]
    fn where_the_late_part_or_the_tail_holds_the_second_best_the_early_part_is_not_searched() {
        let check = |early: &str, late: &str, sought: Sought, expect: Option<&str>| {
            let content = [early, late].concat();
            let (seam, end) = (early.len() as u64, content.len() as u64);
            let line = last_line(content.as_bytes(), [seam..end, 0..seam], sought);
            assert_eq!(line.as_deref(), expect, "{early:?} {late:?}");
        };
        check("x\n", "candle 1\ncandle 2\nhandle\n", SOUGHT, Some("candle 2\n"));
        check("x\n", "needle 1\ncandle 2\n", SOUGHT, Some("needle 1\n"));
        check("needle 1\n", "candle 2\n", SOUGHT, Some("candle 2\n"));
        check("needle 1\n", "handle\n", SOUGHT, Some("needle 1\n"));
        check("candle 1\n", "handle\n", SOUGHT, None);
        let known = Sought { second_best: None, ..SOUGHT };
        check("x\n", "needle 1\ncandle 2\n", known, Some("needle 1\n"));
        check("needle 1\n", "candle 2\n", known, None);
    }

    #[test]
    fn nothing_outside_the_part_is_taken() {
        let content = b"needle 1\nplain\nneedle 2\n";
        assert_eq!(last_line_of(content, 9..15), None);
        assert_eq!(last_line_of(content, 0..15).as_deref(), Some("needle 1\n"));
        assert_eq!(last_line_of(content, 15..15), None);
    }

    #[test]
    fn a_line_too_long_to_be_taken_over_is_not() {
        let content = format!("x{}needle\n", "x".repeat(BETWEEN_MAX));
        assert_eq!(last_line_of(format!("a\n{content}").as_bytes(), 0..content.len() as u64), None);
    }
}
