//! Names that hide others (OCI image specification, layer, "Whiteouts").

use crate::entry::split_parent;
use crate::error::{Problem, escape};

/// What a name that may begin with `.wh.` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Itself.
    None,
    /// Metadata of the aufs file system, which is no part of the image.
    Nothing,
    /// The lower layers' entries of a directory.
    Opaque(Vec<u8>),
    /// A name of the lower layers.
    Hides(Vec<u8>),
}

impl Marker {
    /// What the clean path of a member stands for.
    pub(crate) fn of(path: &[u8]) -> Result<Self, Problem> {
        let (parent, name) = split_parent(path);
        let mut ancestors = parent.split(|byte| *byte == b'/');
        if path.split(|byte| *byte == b'/').any(is_aufs) {
            return Ok(Self::Nothing);
        }
        if ancestors.any(|component| component.starts_with(b".wh.")) {
            return Err(Problem::BelowWhiteout);
        }
        if name == b".wh..wh..opq" {
            return Ok(Self::Opaque(parent.to_vec()));
        }
        let Some(hidden) = name.strip_prefix(b".wh.") else { return Ok(Self::None) };
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(Problem::Whiteout { hidden: escape(hidden) });
        }
        Ok(Self::Hides(if parent.is_empty() {
            hidden.to_vec()
        } else {
            [parent, b"/", hidden].concat()
        }))
    }
}

/// `.wh..wh.` is reserved for aufs; of its names only the opaque marker became part of OCI.
fn is_aufs(component: &[u8]) -> bool {
    component.starts_with(b".wh..wh.") && component != b".wh..wh..opq"
}
