//! What an image says about itself, and what a machine that boots it will measure.

use std::io::{self, Read, Seek};

use super::ProfilePredictions;
use super::build::predict_choices;
use crate::hash::Hash;
use crate::pcr::{Measured, Measurement, PHASES, PolicySignatures, SECTIONS, SectionHasher};
use crate::pe::{File, Machine, SectionInfo, WriteError};
use crate::public_key::PublicKey;

/// The longest text that is read, in bytes.
const TEXT_LEN_MAX: u32 = 1 << 20;
/// The longest section of a stub that is searched, in bytes.
const STUB_LEN_MAX: u32 = 1 << 24;

/// What was found in an image.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The machine it is for.
    pub machine: Machine,
    /// Its sections.
    pub sections: Vec<SectionInfo>,
    /// The command line of the base.
    pub cmdline: Option<String>,
    /// The content of `/etc/os-release`.
    pub os_release: Option<String>,
    /// The kernel's release.
    pub uname: Option<String>,
    /// What the stub measures.
    pub measured: Measured,
    /// The key in `.pcrpkey`.
    pub pcr_key: Option<PublicKey>,
    /// What PCR 11 will hold, by profile, for all banks and phases.
    pub predictions: Vec<ProfilePredictions>,
    /// The signed policies of each profile, in the same order.
    pub policies: Vec<PolicySignatures>,
}

/// Sections from one `.profile` to the next; the first is the base, until the first `.profile`.
struct Groups<'a> {
    base: &'a [SectionInfo],
    profiles: Vec<&'a [SectionInfo]>,
}

impl<'a> Groups<'a> {
    fn new(sections: &'a [SectionInfo]) -> Self {
        let is_profile = |section: &SectionInfo| section.name == ".profile";
        let first = sections.iter().position(is_profile).unwrap_or(sections.len());
        let (base, mut rest) = sections.split_at(first);
        let mut profiles = Vec::new();
        while let Some((_, behind)) = rest.split_first() {
            let len = 1 + behind.iter().position(is_profile).unwrap_or(behind.len());
            let (profile, others) = rest.split_at(len);
            profiles.push(profile);
            rest = others;
        }
        if profiles.is_empty() {
            profiles.push(&[]);
        }
        Self { base, profiles }
    }
}

/// Reads the image in the first `len` bytes of `file`: headers and texts, and every measured
/// section to hash it.
///
/// # Errors
/// [`WriteError`], also for an image whose texts are longer than 1 MiB. Damaged keys and policies
/// are left out.
pub fn inspect<F: Read + Seek>(file: F, len: u64) -> Result<Inspection, WriteError> {
    let mut image = File::open(file, len)?;
    let sections = image.sections().to_vec();
    let groups = Groups::new(&sections);
    let measured = measured(&mut image, &sections)?;
    let mut base = Vec::new();
    for section in groups.base.iter().filter(|section| measured.contains(&section.name)) {
        base.push(measure(&mut image, section)?);
    }
    let (mut predictions, mut policies) = (Vec::new(), Vec::new());
    for group in &groups.profiles {
        let mut sections = Vec::new();
        for section in group.iter().filter(|section| measured.contains(&section.name)) {
            sections.push(measure(&mut image, section)?);
        }
        let own = sections.len();
        for section in &base {
            if sections[..own].iter().all(|other| other.name != section.name) {
                sections.push(section.clone());
            }
        }
        let phases = PHASES.map(str::to_owned);
        let profile = profile_id(text(&mut image, group, ".profile")?.as_deref());
        let predicted = predict_choices(&sections, &Hash::ALL, &phases);
        predictions.push(ProfilePredictions { profile, predictions: predicted });
        let home = if group.is_empty() { groups.base } else { group };
        let signed = text(&mut image, home, ".pcrsig")?.unwrap_or_default();
        policies.push(PolicySignatures::parse(signed.as_bytes()).unwrap_or_default());
    }
    let key = text(&mut image, groups.base, ".pcrpkey")?;
    Ok(Inspection {
        machine: image.machine(),
        cmdline: text(&mut image, groups.base, ".cmdline")?,
        os_release: text(&mut image, groups.base, ".osrel")?,
        uname: text(&mut image, groups.base, ".uname")?,
        pcr_key: key.and_then(|key| PublicKey::from_pem(key.as_bytes()).ok()),
        sections,
        measured,
        predictions,
        policies,
    })
}

/// Looks for the names of sections in what is the stub's own.
fn measured<F: Read + Seek>(
    image: &mut File<F>,
    sections: &[SectionInfo],
) -> Result<Measured, WriteError> {
    let mut contents = Vec::new();
    let mut magic = Vec::new();
    for section in sections {
        let name = section.name.as_str();
        if SECTIONS.contains(&name) || name == ".pcrsig" {
            continue;
        }
        let content = match image.read(section, STUB_LEN_MAX) {
            Ok(content) => content,
            // Too long for a stub's.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            Err(error) => return Err(error.into()),
        };
        if name == ".sdmagic" {
            magic.clone_from(&content);
        }
        contents.push(content);
    }
    let contents: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    Ok(Measured::find(&magic, &contents))
}

fn measure<F: Read + Seek>(image: &mut File<F>, section: &SectionInfo) -> io::Result<Measurement> {
    let mut hasher = SectionHasher::new();
    image.copy(section, &mut hasher)?;
    Ok(Measurement { name: section.name.clone(), digests: hasher.finish() })
}

fn text<F: Read + Seek>(
    image: &mut File<F>,
    sections: &[SectionInfo],
    name: &str,
) -> io::Result<Option<String>> {
    let Some(section) = sections.iter().find(|section| section.name == name) else {
        return Ok(None);
    };
    let content = image.read(section, TEXT_LEN_MAX)?;
    let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok(Some(String::from_utf8_lossy(&content[..end]).into_owned()))
}

fn profile_id(text: Option<&str>) -> String {
    let lines = text.unwrap_or_default().lines();
    lines.filter_map(|line| line.strip_prefix("ID=")).next().unwrap_or_default().to_owned()
}
