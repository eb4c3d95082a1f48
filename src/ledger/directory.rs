//! Directories as claims and fuses name them: without symbolic links, so that each has one name.

use std::io;
use std::path::PathBuf;

use crate::base::AbsPath;
use crate::protocol::error::RpcError;

/// How a request names which directory it means.
#[derive(Clone, Copy)]
pub enum Given {
    /// This parameter is its path.
    As(&'static str),
    /// It is where the session of the parameter `sessionId` worked.
    BySession,
}

/// The real path of a directory that has to be there.
pub fn existing(path: &AbsPath, given: Given) -> Result<AbsPath, RpcError> {
    let why = match path.as_path().canonicalize() {
        Ok(real) if !real.is_dir() => "is not a directory".to_owned(),
        Ok(real) => match AbsPath::parse(real) {
            Some(real) => return Ok(real),
            None => "has no absolute path".to_owned(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
    };
    let (member, whose) = match given {
        Given::As(member) => (member, ""),
        Given::BySession => ("sessionId", "the session's directory "),
    };
    Err(RpcError::invalid(member, format!("`{member}`: {whose}`{path}` {why}")))
}

/// The real path of a directory as far as it is still there: claims and fuses outlive their directories.
pub fn known(path: &AbsPath) -> AbsPath {
    let given = path.as_path();
    let real = given.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        let gone = given.strip_prefix(above).ok()?;
        // Collected anew: an empty rest would leave a slash behind.
        AbsPath::parse(real.components().chain(gone.components()).collect::<PathBuf>())
    });
    real.unwrap_or_else(|| path.clone())
}
