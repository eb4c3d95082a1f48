//! The directories of a filter, by every name that agents may have recorded.

use std::time::Duration;

use tokio::time::timeout;

use crate::base::AbsPath;
use crate::offload::on_own_thread;
use crate::protocol::session::{Filter, Problem, ProblemKind};
use crate::query::Wanted;

/// The filter, with its directories by the given names and by the real ones: an editor may know one by a link, where the
/// agent in it knows the real path. A directory whose links cannot be followed in time, as on a share whose server is
/// gone, counts by the given name alone, and the problem says so.
pub(super) async fn with_real_paths(filter: Filter, within: Duration) -> (Wanted, Option<Problem>) {
    let real = |it: &AbsPath| it.as_path().canonicalize().ok().and_then(AbsPath::parse);
    followed_by(real, filter, within).await
}

async fn followed_by(
    real: impl Fn(&AbsPath) -> Option<AbsPath> + Send + 'static,
    filter: Filter,
    within: Duration,
) -> (Wanted, Option<Problem>) {
    let Some(directory) = filter.under.as_ref().or(filter.cwd.as_ref()).cloned() else {
        return (Wanted::of(filter, |_| None), None);
    };
    let given = filter.clone();
    // Not on the pool: each of its threads that waits for a share would be missed for as long as that is gone.
    let following = on_own_thread(move || Wanted::of(given, real));
    let (kind, why) = match timeout(within, following).await {
        Ok(Ok(wanted)) => return (wanted, None),
        Ok(Err(error)) => (ProblemKind::Unreadable, format!("there is no thread for it: {error}")),
        Err(_) => (ProblemKind::TimedOut, format!("no answer within {} ms", within.as_millis())),
    };
    let message = format!("the links of the filter's directory are not followed: {why}");
    let problem = Problem { kind, message, path: Some(directory), line: None };
    (Wanted::of(filter, |_| None), Some(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_does_not_answer_counts_by_the_given_name_in_time() {
        let (answer, answers) = std::sync::mpsc::channel::<()>();
        let gone = move |_: &AbsPath| answers.recv().ok().and(None);
        let share = AbsPath::parse("/share/work").unwrap();
        let filter = Filter { under: Some(share.clone()), ..Filter::default() };
        let began = tokio::time::Instant::now();
        let within = Duration::from_secs(5);
        let (wanted, problem) = followed_by(gone, filter.clone(), within).await;
        assert!(began.elapsed() < within + Duration::from_millis(250));
        assert_eq!(wanted, Wanted::of(filter, |_| None));
        let problem = problem.unwrap();
        assert_eq!((problem.kind, problem.path), (ProblemKind::TimedOut, Some(share)));
        drop(answer);
    }
}
