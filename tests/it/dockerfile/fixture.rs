//! Images of a few words, contexts, and trees as text.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bootwright::dockerfile::{
    Built, Dockerfile, DockerfileError, Ignore, Images, Inputs, Platform, Refuse, Runner, build,
};
use bootwright::image::{BoxError, FileTree, Kind, Observer, Streams, collect};
use bootwright::oci::Reference;
use bootwright::recipe::Architecture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

pub(crate) const MTIME: u64 = 1_700_000_000;
pub(crate) const CREATED: &str = "2023-11-14T22:13:20Z";

/// A member of a layer, from words: `d PATH [MODE]`, `f PATH [CONTENT...]`, `s PATH TARGET`,
/// `h PATH TARGET`; `UID:GID` before the letter for an owner.
fn member(tar: &mut tar::Builder<Vec<u8>>, words: &str) {
    let (owner, words) = match words.split_once(' ') {
        Some((owner, rest)) if owner.contains(':') => (owner, rest),
        _ => ("0:0", words),
    };
    let (uid, gid) = owner.split_once(':').unwrap();
    let parts: Vec<&str> = words.splitn(3, ' ').collect();
    let rest = parts.get(2).copied().unwrap_or_default();
    let mut header = Header::new_ustar();
    header.set_uid(uid.parse().unwrap());
    header.set_gid(gid.parse().unwrap());
    header.set_mtime(MTIME);
    header.set_size(0);
    header.set_mode(0o755);
    match parts[0] {
        "d" => {
            header.set_entry_type(EntryType::Directory);
            if !rest.is_empty() {
                header.set_mode(u32::from_str_radix(rest, 8).unwrap());
            }
            tar.append_data(&mut header, parts[1], &b""[..]).unwrap();
        }
        "f" => {
            header.set_mode(0o644);
            header.set_size(rest.len() as u64);
            tar.append_data(&mut header, parts[1], rest.as_bytes()).unwrap();
        }
        link => {
            let kind = if link == "s" { EntryType::Symlink } else { EntryType::Link };
            header.set_entry_type(kind);
            tar.append_link(&mut header, parts[1], rest).unwrap();
        }
    }
}

pub(crate) fn tar_of(members: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for words in members {
        member(&mut tar, words);
    }
    tar.into_inner().unwrap()
}

/// Writes an OCI layout with one image.
pub(crate) fn layout(dir: &Path, config: &Value, layers: &[&[&str]]) -> Reference {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest: String =
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(blobs.join(&digest), bytes).unwrap();
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() })
    };
    let layers: Vec<Value> =
        layers.iter().map(|members| put("layer.v1.tar", &tar_of(members))).collect();
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let document = json!({
        "created": CREATED, "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = put("config.v1+json", document.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": layers,
    });
    let manifest = put("manifest.v1+json", manifest.to_string().as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    Reference::Layout { dir: dir.to_owned(), tag: None }
}

/// A folder with a context and images by name.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    images: BTreeMap<String, Reference>,
    pub(crate) arguments: BTreeMap<String, String>,
    pub(crate) target: Option<String>,
    pub(crate) ignore: Ignore,
    pub(crate) warnings: Mutex<Vec<String>>,
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("context")).unwrap();
        Self {
            folder,
            images: BTreeMap::new(),
            arguments: BTreeMap::new(),
            target: None,
            ignore: Ignore::default(),
            warnings: Mutex::default(),
        }
    }

    /// The context's folder.
    pub(crate) fn context(&self) -> PathBuf {
        self.folder.path().join("context")
    }

    /// Adds a file to the context, with mode 0644 and a fixed time.
    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.context().join(path);
        let mut folder = path.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(MTIME);
        let touch = |path: &Path| fs::File::open(path).unwrap().set_modified(time).unwrap();
        touch(&path);
        while folder != self.folder.path() {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
            touch(folder);
            folder = folder.parent().unwrap();
        }
        self
    }

    pub(crate) fn symlink(&self, path: &str, target: &str) -> &Self {
        std::os::unix::fs::symlink(target, self.context().join(path)).unwrap();
        self
    }

    pub(crate) fn image(&mut self, name: &str, config: &Value, layers: &[&[&str]]) -> &mut Self {
        let dir = self.folder.path().join(format!("image-{}", self.images.len()));
        self.images.insert(name.to_owned(), layout(&dir, config, layers));
        self
    }

    /// Where an image is.
    pub(crate) fn reference(&self, name: &str) -> &Reference {
        &self.images[name]
    }

    pub(crate) fn arg(&mut self, name: &str, value: &str) -> &mut Self {
        self.arguments.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn build(&self, text: &str) -> Result<Built, DockerfileError> {
        self.build_with(text, &mut Refuse)
    }

    pub(crate) fn build_with(
        &self,
        text: &str,
        runner: &mut dyn Runner,
    ) -> Result<Built, DockerfileError> {
        let file = Dockerfile::parse("Dockerfile", text.as_bytes())?;
        let context = self.context();
        let inputs = Inputs {
            context: &context,
            ignore: &self.ignore,
            arguments: &self.arguments,
            target: self.target.as_deref(),
            platform: Platform::new(Architecture::Amd64),
            epoch: None,
            jobs: NonZeroUsize::MIN,
        };
        build(&file, &inputs, self, runner, self)
    }

    /// The error's text and its causes.
    pub(crate) fn error(&self, text: &str) -> String {
        chain(&self.build(text).expect_err("an error is planted"))
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str("\n  because: ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Images for Project {
    fn image(&self, name: &str, _: &Platform) -> Result<Reference, BoxError> {
        let known = self.images.get(name).cloned();
        known.ok_or_else(|| format!("no image {name} in the store").into())
    }
}

impl Observer for Project {
    fn warn(&self, text: std::fmt::Arguments<'_>) {
        self.warnings.lock().unwrap().push(text.to_string());
    }
}

/// Every name with mode, owner, time (relative to [`MTIME`], when it is another) and content.
pub(crate) fn show(tree: &FileTree, streams: &dyn Streams) -> String {
    let files: Vec<_> =
        tree.walk().map(|w| w.id).filter(|id| tree.inode(*id).as_file().is_some()).collect();
    let contents = collect(tree, streams, &files, 1 << 30, &bootwright::image::Silent).unwrap();
    let contents: BTreeMap<_, _> = files.into_iter().zip(contents).collect();
    let mut text = String::new();
    for walked in tree.walk() {
        let inode = tree.inode(walked.id);
        let m = &inode.metadata;
        let time = match m.mtime.0 - i64::try_from(MTIME).unwrap() {
            0 => String::new(),
            other => format!(" @{other}"),
        };
        let what = match inode.kind() {
            Kind::Directory(_) => "/".to_owned(),
            Kind::Symlink(target) => format!(" -> {}", String::from_utf8_lossy(target)),
            Kind::File(_) => {
                let names = if inode.names() > 1 { " (linked)" } else { "" };
                format!("{names} {:?}", String::from_utf8_lossy(&contents[&walked.id]))
            }
            other => format!(" {other:?}"),
        };
        let path = String::from_utf8_lossy(&walked.path);
        text += &format!("{:04o} {}:{}{time} /{path}{what}\n", m.mode, m.uid, m.gid);
    }
    text
}

pub(crate) fn show_built(built: &Built) -> String {
    show(&built.tree, &built.streams)
}
