//! The directories of a filter, by every name that agents may have recorded.

use crate::base::AbsPath;
use crate::offload::blocking;
use crate::protocol::session::Filter;
use crate::query::Wanted;

/// The filter, with its directories by the names that agents may have recorded: an editor may know one by a link, where
/// the agent in it knows the real path, or the other way round.
pub(super) async fn with_real_paths(filter: Filter) -> Wanted {
    if filter.cwd.is_none() && filter.under.is_none() {
        return Wanted::of(filter, |_| None);
    }
    let real = |it: &AbsPath| it.as_path().canonicalize().ok().and_then(AbsPath::parse);
    blocking(move || Wanted::of(filter, real)).await
}
