//! The `headcount` program: reads the command line, and leaves with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    give_memory_back();
    headcount::cli::run()
}

/// Keeps glibc from holding on to what a request has needed.
///
/// Each thread would get a heap of its own, and what the threads of a request leave behind in theirs is never given
/// back: after ten lists of 2,000 sessions that was 58 MB instead of 28. And glibc would raise the size from which
/// memory is the system's own to that of the largest piece it has seen, and keep as much: a few looks at the turns
/// of transcripts with lines of 200 MB left 55 MB instead of 27.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "`mallopt` has no safe face; no other thread runs yet")]
fn give_memory_back() {
    /// Larger than the reply to a list of 10,000 sessions, which would else be asked for page by page each time;
    /// smaller than the pieces that only the longest lines need.
    const OWN_FROM: libc::c_int = 8 << 20;
    /// What a list of 2,000 sessions takes and leaves: given back, it would be asked for anew each time, for a
    /// fifth of what the list takes.
    const KEPT: libc::c_int = 16 << 20;
    // SAFETY: the calls set numbers in the allocator, before any thread is started.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_FROM);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

#[cfg(not(target_env = "gnu"))]
fn give_memory_back() {}
