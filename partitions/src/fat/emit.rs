//! The bytes, front to back.

use std::io::{self, Read, Write};

use bootwright_image::{Blob, Region, Sink};

use super::format::{
    BACKUP_BOOT_SECTOR, ENTRY_LEN, FATS, FIRST_CLUSTER, FS_INFO_SECTOR, FatType, MEDIA, NO_NAME,
    ROOT_ENTRIES, attribute, boot, entry, extended, fs_info,
};
use super::name::Short;
use super::nodes::{Content, Node};
use super::plan::Plan;
use super::time::DosTime;
use crate::bytes::put;

/// Bytes of a content read at once.
const CHUNK: usize = 1 << 18;

/// Why a volume could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The output refused the bytes, or the writer did not follow its plan.
    #[error(transparent)]
    Image(#[from] bootwright_image::EmitError),
    /// The content of a file could not be read, or is shorter than planned.
    #[error("cannot read the content of {path:?}")]
    Content {
        /// The file's path in the volume.
        path: String,
        /// The cause.
        source: io::Error,
    },
}

impl From<io::Error> for EmitError {
    fn from(error: io::Error) -> Self {
        Self::Image(error.into())
    }
}

impl Plan {
    /// Writes the volume: exactly [`len`](Self::len) bytes.
    ///
    /// # Errors
    /// [`EmitError`].
    pub fn emit(&self, output: &mut impl Write) -> Result<(), EmitError> {
        let mut sink = Sink::new(output);
        self.emit_head(&mut sink)?;
        let clusters = self.regions().pop().unwrap_or(Region { name: "", offset: 0, len: 0 });
        sink.region(&clusters, |sink| {
            self.emit_clusters(sink)?;
            Ok::<_, EmitError>(sink.zeros_until(clusters.offset + clusters.len)?)
        })
    }

    /// All that lies in front of the clusters.
    pub(super) fn emit_head(&self, sink: &mut Sink<impl Write>) -> Result<(), EmitError> {
        for region in self.regions() {
            if region.name == "clusters" {
                break;
            }
            sink.region(&region, |sink| {
                match region.name {
                    "reserved sectors" => self.emit_reserved(sink)?,
                    "FAT" => sink.write_all(&self.encode_fat())?,
                    _ => sink.write_all(&self.encode_directory(0))?,
                }
                Ok::<_, EmitError>(sink.zeros_until(region.offset + region.len)?)
            })?;
        }
        Ok(())
    }

    fn emit_reserved(&self, sink: &mut Sink<impl Write>) -> Result<(), EmitError> {
        let boot_sector = self.encode_boot_sector();
        sink.write_all(&boot_sector)?;
        if self.fat_type() == FatType::Fat32 {
            let fs_info = self.encode_fs_info();
            sink.write_all(&fs_info)?;
            let sector = self.geometry.sector_size.bytes();
            sink.zeros_until(u64::from(BACKUP_BOOT_SECTOR) * sector)?;
            sink.write_all(&boot_sector)?;
            sink.write_all(&fs_info)?;
        }
        Ok(())
    }

    fn encode_boot_sector(&self) -> Vec<u8> {
        let geometry = &self.geometry;
        let mut sector = vec![0; geometry.sector_size.len()];
        let total = geometry.total_sectors.to_le_bytes();
        let sector_len = u16::try_from(geometry.sector_size.len())
            .expect("BUG: a sector has at most 4096 bytes");
        put(&mut sector, boot::OEM_NAME, &self.oem_name);
        put(&mut sector, boot::SECTOR_LEN, &sector_len.to_le_bytes());
        sector[boot::CLUSTER_SECTORS] = geometry.cluster_sectors;
        put(&mut sector, boot::RESERVED, &geometry.reserved.to_le_bytes());
        sector[boot::FATS] = FATS;
        sector[boot::MEDIA] = MEDIA;
        // What BIOSes assume of disks; nothing goes by it any more.
        put(&mut sector, boot::TRACK_SECTORS, &63_u16.to_le_bytes());
        put(&mut sector, boot::HEADS, &255_u16.to_le_bytes());
        put(&mut sector, boot::HIDDEN, &self.hidden_sectors.to_le_bytes());
        let extended = if geometry.fat_type == FatType::Fat32 {
            put(&mut sector, boot::TOTAL_32, &total);
            put(&mut sector, boot::FAT_SECTORS_32, &geometry.fat_sectors.to_le_bytes());
            put(&mut sector, boot::ROOT_CLUSTER, &FIRST_CLUSTER.to_le_bytes());
            put(&mut sector, boot::FS_INFO, &FS_INFO_SECTOR.to_le_bytes());
            put(&mut sector, boot::BACKUP, &BACKUP_BOOT_SECTOR.to_le_bytes());
            boot::EXTENDED_32
        } else {
            put(&mut sector, boot::ROOT_ENTRIES, &ROOT_ENTRIES.to_le_bytes());
            let fat_sectors =
                u16::try_from(geometry.fat_sectors).expect("BUG: FAT16 has at most 256 sectors");
            put(&mut sector, boot::FAT_SECTORS_16, &fat_sectors.to_le_bytes());
            match u16::try_from(geometry.total_sectors) {
                Ok(total) => put(&mut sector, boot::TOTAL_16, &total.to_le_bytes()),
                Err(_) => put(&mut sector, boot::TOTAL_32, &total),
            }
            boot::EXTENDED_16
        };
        sector[extended + extended::DRIVE] = 0x80;
        sector[extended + extended::BOOT_SIGNATURE] = 0x29;
        put(&mut sector, extended + extended::VOLUME_ID, &self.volume_id.to_le_bytes());
        put(&mut sector, extended + extended::LABEL, self.label.as_ref().unwrap_or(NO_NAME));
        put(&mut sector, extended + extended::TYPE, geometry.fat_type.label());
        put_boot_code(&mut sector, extended + extended::LEN);
        sector
    }

    fn encode_fs_info(&self) -> Vec<u8> {
        let mut sector = vec![0; self.geometry.sector_size.len()];
        for (offset, signature) in [fs_info::LEAD, fs_info::STRUCT, fs_info::TRAIL] {
            put(&mut sector, offset, &signature.to_le_bytes());
        }
        let free = self.geometry.clusters - self.used_clusters;
        // Where to look for a free cluster: behind the used ones, or nowhere.
        let next = if free == 0 { u32::MAX } else { FIRST_CLUSTER + self.used_clusters };
        put(&mut sector, fs_info::FREE, &free.to_le_bytes());
        put(&mut sector, fs_info::NEXT_FREE, &next.to_le_bytes());
        sector
    }

    /// The FAT up to the last entry in use.
    fn encode_fat(&self) -> Vec<u8> {
        let fat_type = self.fat_type();
        let end = fat_type.end_of_chain();
        let media = end & !0xFF | u32::from(MEDIA);
        let mut entries = vec![media, end];
        let mut nodes: Vec<&Node> = self.nodes.iter().collect();
        nodes.sort_by_key(|node| node.cluster);
        for node in nodes {
            let chain = node.cluster..node.cluster + node.clusters;
            entries.extend(chain.clone().skip(1));
            entries.extend(chain.last().map(|_| end));
        }
        match fat_type {
            FatType::Fat12 => entries.chunks(2).flat_map(encode_pair).collect(),
            FatType::Fat16 => {
                let half = |value: u32| u16::try_from(value).expect("BUG: beyond FAT16");
                entries.into_iter().flat_map(|value| half(value).to_le_bytes()).collect()
            }
            FatType::Fat32 => entries.into_iter().flat_map(u32::to_le_bytes).collect(),
        }
    }

    fn emit_clusters(&self, sink: &mut Sink<impl Write>) -> Result<(), EmitError> {
        for (index, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.clusters > 0) {
            sink.region(&self.node_region(index), |sink| self.emit_node(index, sink))?;
        }
        Ok(())
    }

    /// Where the content of a node with clusters is.
    pub(super) fn node_region(&self, index: usize) -> Region {
        let node = &self.nodes[index];
        let len = match &node.content {
            Content::Directory(_) => self.directory_entries(index) * ENTRY_LEN as u64,
            Content::File(blob) => blob.len(),
        };
        Region { name: "cluster chain", offset: self.cluster_offset(node.cluster), len }
    }

    /// The content of a file or the entries of a directory.
    pub(super) fn emit_node(&self, index: usize, output: &mut impl Write) -> Result<(), EmitError> {
        let node = &self.nodes[index];
        match &node.content {
            Content::Directory(_) => Ok(output.write_all(&self.encode_directory(index))?),
            Content::File(blob) => copy(blob, &node.path, output),
        }
    }

    fn encode_directory(&self, directory: usize) -> Vec<u8> {
        let node = &self.nodes[directory];
        let Content::Directory(children) = &node.content else { return Vec::new() };
        let mut bytes = Vec::new();
        if directory == 0 {
            if let Some(label) = &self.label {
                bytes.extend(encode_entry(label, attribute::VOLUME_LABEL, self.label_time, 0, 0));
            }
        } else {
            let parent = &self.nodes[node.parent];
            // The root is cluster 0 to its children, on FAT32 too.
            let above = if node.parent == 0 { 0 } else { parent.cluster };
            let dot =
                |name, cluster| encode_entry(name, attribute::DIRECTORY, node.time, cluster, 0);
            bytes.extend(dot(b".          ", node.cluster));
            bytes.extend(dot(b"..         ", above));
        }
        for child in children {
            let child = &self.nodes[*child];
            bytes.extend(child.name.long_entries().as_flattened());
            bytes.extend(encode_child(child));
        }
        bytes
    }
}

fn encode_child(node: &Node) -> [u8; ENTRY_LEN] {
    let (attributes, len) = match &node.content {
        Content::Directory(_) => (attribute::DIRECTORY, 0),
        Content::File(blob) => {
            (attribute::ARCHIVE, u32::try_from(blob.len()).expect("BUG: the plan checks lengths"))
        }
    };
    encode_entry(&node.name.short, attributes, node.time, node.cluster, len)
}

fn encode_entry(
    name: &Short,
    attributes: u8,
    time: DosTime,
    cluster: u32,
    len: u32,
) -> [u8; ENTRY_LEN] {
    let mut bytes = [0; ENTRY_LEN];
    put(&mut bytes, entry::NAME, name);
    bytes[entry::ATTRIBUTES] = attributes;
    put(&mut bytes, entry::CREATED_TIME, &time.time.to_le_bytes());
    put(&mut bytes, entry::CREATED_DATE, &time.date.to_le_bytes());
    put(&mut bytes, entry::ACCESSED_DATE, &time.date.to_le_bytes());
    put(&mut bytes, entry::MODIFIED_TIME, &time.time.to_le_bytes());
    put(&mut bytes, entry::MODIFIED_DATE, &time.date.to_le_bytes());
    let [low, high] = [cluster & 0xFFFF, cluster >> 16].map(u32::to_le_bytes);
    put(&mut bytes, entry::CLUSTER_LOW, &low[..2]);
    put(&mut bytes, entry::CLUSTER_HIGH, &high[..2]);
    put(&mut bytes, entry::LEN, &len.to_le_bytes());
    bytes
}

/// Two entries of FAT12 in three bytes; a last single one takes two.
fn encode_pair(pair: &[u32]) -> Vec<u8> {
    let (low, high) = (pair[0], pair.get(1).copied().unwrap_or(0));
    let bytes = (low | high << 12).to_le_bytes();
    bytes[..if pair.len() == 2 { 3 } else { 2 }].to_vec()
}

/// A jump to code that says the volume is not bootable and lets the BIOS try the next device.
fn put_boot_code(sector: &mut [u8], at: usize) {
    const TEXT: &[u8] = b"No boot loader for BIOS on this volume\r\n\0";
    // xor ax,ax; mov ds,ax; mov si,text; next: lodsb; test al,al; jz done; mov ah,0x0e;
    // mov bx,7; int 0x10; jmp next; done: int 0x18; stop: hlt; jmp stop
    let mut code = [
        0x31, 0xC0, 0x8E, 0xD8, 0xBE, 0, 0, 0xAC, 0x84, 0xC0, 0x74, 0x09, 0xB4, 0x0E, 0xBB, 0x07,
        0x00, 0xCD, 0x10, 0xEB, 0xF2, 0xCD, 0x18, 0xF4, 0xEB, 0xFD,
    ];
    let text = u16::try_from(0x7C00 + at + code.len()).expect("BUG: a sector is below 64 KiB");
    put(&mut code, 5, &text.to_le_bytes());
    put(sector, at, &code);
    put(sector, at + code.len(), TEXT);
    let distance = u8::try_from(at - 2).expect("BUG: the code begins in the first 129 bytes");
    put(sector, 0, &[0xEB, distance, 0x90]);
    put(sector, boot::SIGNATURE, &[0x55, 0xAA]);
}

fn copy(blob: &Blob, path: &str, output: &mut impl Write) -> Result<(), EmitError> {
    let failed = |source| EmitError::Content { path: path.to_owned(), source };
    let mut reader = blob.open().map_err(failed)?;
    let most = usize::try_from(blob.len()).unwrap_or(CHUNK).min(CHUNK);
    let mut buffer = vec![0; most.max(1)];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => output.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}
