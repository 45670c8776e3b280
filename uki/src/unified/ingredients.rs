//! What goes into an image.

use std::sync::Arc;

use super::BuildError;
use crate::hash::Hash;
use crate::pcr::PHASES;
use crate::signer::Signer;

/// One way to boot an image (systemd-stub(7), "Multi-Profile UKIs"; stub 257 and newer).
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Its identifier, such as `main`.
    pub id: String,
    /// What a menu calls it; empty: the identifier.
    pub title: String,
    /// Its command line; `None`: the image's.
    pub cmdline: Option<String>,
}

impl Profile {
    /// The content of its `.profile` section.
    pub(super) fn text(&self) -> Result<String, BuildError> {
        check("profile identifier", &self.id)?;
        check("profile title", &self.title)?;
        let mut text = format!("ID={}\n", self.id);
        if !self.title.is_empty() {
            text.push_str(&format!("TITLE={}\n", self.title));
        }
        Ok(text)
    }
}

/// Everything but the initrd, which is streamed.
#[derive(Clone, Debug)]
pub struct Ingredients {
    /// `systemd-stub`, unsigned: `linuxx64.efi.stub` or `linuxaa64.efi.stub`.
    pub stub: Vec<u8>,
    /// `.linux`: a kernel that UEFI can start.
    pub kernel: Vec<u8>,
    /// `.cmdline`, without a line break.
    pub cmdline: String,
    /// `.osrel`: `/etc/os-release`.
    pub os_release: Option<Vec<u8>>,
    /// `.uname`; see [`uname`](super::uname).
    pub uname: Option<String>,
    /// `.splash`: a bitmap.
    pub splash: Option<Vec<u8>>,
    /// `.ucode`: an archive with microcode, unpacked before the initrd.
    pub microcode: Option<Vec<u8>>,
    /// `.dtb`: the device tree to use.
    pub device_tree: Option<Vec<u8>>,
    /// `.dtbauto`: device trees of which the stub uses the one that fits the machine.
    pub device_trees: Vec<Vec<u8>>,
    /// `.hwids`: how the stub tells machines apart.
    pub hardware_ids: Option<Vec<u8>>,
    /// More contents of `.sbat` sections, to go with the stub's and the kernel's.
    pub sbat: Vec<Vec<u8>>,
    /// Ways to boot it. The first shares all sections; empty: one way, without a `.profile`.
    pub profiles: Vec<Profile>,
    /// Whose key signs the PCR policies, `.pcrsig`, and goes into `.pcrpkey`; `None`: no policies.
    pub pcr_signer: Option<Arc<dyn Signer>>,
    /// Banks to sign policies for. systemd uses the sha256 ones.
    pub banks: Vec<Hash>,
    /// Phase paths to sign policies for.
    pub phases: Vec<String>,
}

impl Ingredients {
    /// A stub, a kernel and a command line; policies, if a signer is added, for all banks and
    /// phases.
    #[must_use]
    pub fn new(stub: Vec<u8>, kernel: Vec<u8>, cmdline: &str) -> Self {
        Self {
            stub,
            kernel,
            cmdline: cmdline.to_owned(),
            os_release: None,
            uname: None,
            splash: None,
            microcode: None,
            device_tree: None,
            device_trees: Vec::new(),
            hardware_ids: None,
            sbat: Vec::new(),
            profiles: Vec::new(),
            pcr_signer: None,
            banks: Hash::ALL.to_vec(),
            phases: PHASES.map(str::to_owned).to_vec(),
        }
    }
}

/// Texts go into sections as they are: a NUL would end them early, a line break begin another.
pub(super) fn check(what: &'static str, text: &str) -> Result<(), BuildError> {
    let problem = match text.bytes().find(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
        None => return Ok(()),
        Some(0) => "NUL",
        Some(_) => "line break",
    };
    Err(BuildError::Text { what, text: text.to_owned(), problem })
}
