//! CycloneDX 1.5 in JSON.

use serde_json::{Map, Value, json};

use super::{Component, Inventory};
use crate::image::Timestamp;
use crate::partitions::Guid;

/// What the bill of materials is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The artefact's name.
    pub name: String,
    /// Its version, unless empty.
    pub version: String,
    /// The digest of the image that it was made from, `sha256:` and hex, unless empty.
    pub image: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it is a file and not a container image.
    pub is_file: bool,
    /// The SHA-256 of the file, or of the container image's manifest.
    pub sha256: Option<[u8; 32]>,
}

impl Inventory {
    /// The document, which depends on the inventory and the subject alone: its serial number is
    /// made of what it says.
    #[must_use]
    pub fn to_cyclonedx(&self, subject: &Subject) -> String {
        let mut document = Map::new();
        for (key, value) in [
            ("$schema", json!("http://cyclonedx.org/schema/bom-1.5.schema.json")),
            ("bomFormat", json!("CycloneDX")),
            ("specVersion", json!("1.5")),
            ("serialNumber", Value::Null),
            ("version", json!(1)),
            ("metadata", self.metadata(subject)),
            ("components", self.components()),
        ] {
            document.insert(key.to_owned(), value);
        }
        let content = Value::from(document.clone()).to_string();
        let serial = Guid::from_content(&[b"CycloneDX", content.as_bytes()]).to_string();
        let serial = format!("urn:uuid:{}", serial.to_lowercase());
        document.insert("serialNumber".to_owned(), serial.into());
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    fn metadata(&self, subject: &Subject) -> Value {
        let mut about = Map::new();
        let kind = if subject.is_file { "file" } else { "container" };
        about.insert("type".into(), kind.into());
        about.insert("bom-ref".into(), "subject".into());
        about.insert("name".into(), subject.name.clone().into());
        put(&mut about, "version", &subject.version);
        if let Some(sha256) = &subject.sha256 {
            let hash = json!({"alg": "SHA-256", "content": crate::recipe::checksum_hex(sha256)});
            about.insert("hashes".into(), json!([hash]));
        }
        if !subject.image.is_empty() {
            let property = json!({"name": "bootwright:image", "value": subject.image});
            about.insert("properties".into(), json!([property]));
        }
        let mut metadata = Map::new();
        if let Some(created) = subject.created {
            metadata.insert("timestamp".into(), crate::oci::format_time(created).into());
        }
        let version = env!("CARGO_PKG_VERSION");
        let tool = json!({"type": "application", "name": "bootwright", "version": version});
        metadata.insert("tools".into(), json!({"components": [tool]}));
        metadata.insert("component".into(), about.into());
        if !self.notes.is_empty() {
            let note = |note: &String| json!({"name": "bootwright:missing", "value": note});
            metadata.insert("properties".into(), self.notes.iter().map(note).collect());
        }
        metadata.into()
    }

    fn components(&self) -> Value {
        let mut list = Vec::new();
        if !self.os.id.is_empty() {
            let mut system = Map::new();
            system.insert("type".into(), "operating-system".into());
            system.insert("bom-ref".into(), "operating-system".into());
            system.insert("name".into(), self.os.id.clone().into());
            put(&mut system, "version", &self.os.version_id);
            put(&mut system, "description", &self.os.pretty_name);
            list.push(system.into());
        }
        // Two packages with one purl would have one reference.
        let mut last = String::new();
        for component in &self.components {
            let purl = component.purl(&self.os);
            if purl != last {
                list.push(entry(component, &purl));
                last = purl;
            }
        }
        list.into()
    }
}

fn entry(component: &Component, purl: &str) -> Value {
    let mut entry = Map::new();
    entry.insert("type".into(), "library".into());
    entry.insert("bom-ref".into(), purl.into());
    if !component.supplier.is_empty() {
        entry.insert("supplier".into(), json!({"name": component.supplier}));
    }
    entry.insert("name".into(), component.name.clone().into());
    let epoch = component.epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    entry.insert("version".into(), format!("{epoch}{}", component.version).into());
    if !component.licence.is_empty() {
        let licence = json!({"license": {"name": component.licence}});
        entry.insert("licenses".into(), json!([licence]));
    }
    entry.insert("purl".into(), purl.into());
    if is_address(&component.homepage) {
        let website = json!({"type": "website", "url": component.homepage});
        entry.insert("externalReferences".into(), json!([website]));
    }
    entry.into()
}

/// Whether a text can stand where an address is wanted.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}[]".contains(c);
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain))
}

fn put(object: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() {
        object.insert(key.to_owned(), value.into());
    }
}
