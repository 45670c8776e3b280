//! ISO 9660 (ECMA-119) images of one session: [`Writer`], [reader](read) and [`dump`].
//!
//! | what | how |
//! |---|---|
//! | names | Rock Ridge: any, byte for byte. Joliet: 64 UCS-2 characters. Plain: 30 d-characters. Names that come out equal are numbered |
//! | files | up to 8 TiB; from 4 GiB on in pieces of 4 GiB less 2 KiB (interchange level 3) |
//! | directories | 65535, at any depth: none is relocated |
//! | inodes | hard links share a serial number and a place; different inodes never share a place |
//! | times | 1900 to 2155 in UTC, whole seconds; others become the nearest |
//! | devices | what Linux reads back: minor numbers beyond 255 need a major number |
//! | extended attributes | not stored; each file that loses some is reported |

mod descriptor;
mod directory;
mod dump;
mod error;
mod finish;
pub(crate) mod format;
mod joliet;
mod name;
mod path_table;
mod plan;
pub mod read;
mod rock_ridge;
mod susp;
mod writer;

use bootwright_image::{FileTree, InodeId, Timestamp};

pub use dump::dump;
pub use error::WriteError;
pub use finish::{BiosBoot, Boot, EfiBoot, Hybrid};
pub use writer::{Summary, Writer};

/// What an image says of itself and which hierarchies it has. Texts are printable ASCII, without
/// a space at either end; they may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Name of the volume, what `/dev/disk/by-label` shows; at most 32 characters. Joliet has
    /// room for the first 16.
    pub volume_id: String,
    /// The system that uses the system area; at most 32 characters.
    pub system_id: String,
    /// The set the volume belongs to; at most 128 characters.
    pub volume_set_id: String,
    /// Who publishes the volume; at most 128 characters.
    pub publisher: String,
    /// The application that made the data; at most 128 characters.
    pub application: String,
    /// Creation and modification time of the volume.
    pub time: Timestamp,
    /// Keep names, owners, modes, links and devices (Rock Ridge 1.12). Without it only files and
    /// directories are stored, under upper-case names.
    pub rock_ridge: bool,
    /// Add a hierarchy with Unicode names for Windows (Joliet). It has files and directories
    /// only.
    pub joliet: bool,
    /// Add a second set of descriptors and tables for a partition that begins at block 16, so
    /// that `/dev/sdX1` can be mounted as well as `/dev/sdX`. It leaves out files that end beyond
    /// that partition.
    pub partition_view: bool,
}

impl Default for Options {
    /// A volume `ISOIMAGE` of 1970 with both extensions, for optical media.
    fn default() -> Self {
        Self {
            volume_id: "ISOIMAGE".into(),
            system_id: String::new(),
            volume_set_id: String::new(),
            publisher: String::new(),
            application: String::new(),
            time: Timestamp(0),
            rock_ridge: true,
            joliet: true,
            partition_view: false,
        }
    }
}

/// The path of an inode for messages.
fn path_of(tree: &FileTree, inode: InodeId) -> String {
    let found = tree.walk().find(|walked| walked.id == inode);
    let path = found.map(|walked| walked.path).unwrap_or_default();
    format!("/{}", String::from_utf8_lossy(&path))
}
