//! What is fuzzed: the crates' own functions, each with small sound inputs to start from.

mod databases;
mod project;
mod replies;
pub mod seeds;
mod text;
mod trust;

/// A function that takes any bytes and panics when an invariant is broken.
pub struct Target {
    /// As under `fuzz_targets/`.
    pub name: &'static str,
    /// The crate's function.
    pub run: fn(&[u8]),
    /// Sound inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes checksums right again, so that changes get past them.
    pub repair: fn(&mut [u8]),
}

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds, repair: |_| {} }
}

/// All of them.
pub const TARGETS: [Target; 26] = [
    Target {
        repair: seeds::repair_tar,
        ..target("oci_tar_stream", bootwright_oci::fuzzing::tar_stream, seeds::tars)
    },
    Target {
        repair: seeds::repair_tar,
        ..target("oci_layer_merge", bootwright_oci::fuzzing::layer_merge, seeds::layers)
    },
    Target {
        repair: seeds::repair_tar,
        ..target("oci_layer_write", bootwright_oci::fuzzing::layer_write, seeds::layers)
    },
    target("oci_image_json", bootwright_oci::fuzzing::image_json, seeds::documents),
    target("oci_registry_replies", bootwright_oci::fuzzing::registry_replies, replies::replies),
    target("project_luet", bootwright::project::luet::parse_anything, databases::repositories),
    target("sbom_databases", bootwright::sbom::parse_anything, databases::databases),
    target("squashfs_reader", bootwright_squashfs::fuzzing::read, seeds::squashfs),
    target("boot_iso_reader", bootwright_boot::fuzzing::iso9660, seeds::isos),
    target("boot_catalog", bootwright_boot::fuzzing::boot_catalog, seeds::catalogs),
    target("partitions_gpt", bootwright_partitions::fuzzing::gpt_read, seeds::disks),
    target("partitions_mbr", bootwright_partitions::fuzzing::mbr_read, seeds::disks),
    target("partitions_fat", bootwright_partitions::fuzzing::fat_read, seeds::fats),
    target("partitions_ext", bootwright_partitions::fuzzing::ext_read, seeds::exts),
    target("partitions_gzip", bootwright_partitions::fuzzing::gzip_pieces, seeds::fats),
    target("uki_pe", bootwright_uki::fuzzing::pe, seeds::executables),
    target("uki_extend", bootwright_uki::fuzzing::extend, seeds::executables),
    target("uki_authenticode", bootwright_uki::fuzzing::authenticode, trust::signed_executables),
    target("uki_signature_lists", bootwright_uki::fuzzing::signature_lists, trust::lists),
    target("uki_signed_variable", bootwright_uki::fuzzing::signed_variable, trust::variables),
    target("uki_pem", bootwright_uki::fuzzing::pem, trust::pems),
    target("dockerfile_build", bootwright::dockerfile::fuzzing::build, text::dockerfiles),
    target("dockerfile_trust", bootwright::dockerfile::fuzzing::trust, text::certificates),
    target("uki_pcr_signatures", bootwright_uki::fuzzing::pcr_signatures, trust::pcr_signatures),
    target("project_arg_file", bootwright::project::fuzzing::arg_file, project::arg_files),
    target("project_user_data", bootwright::project::fuzzing::user_data_file, project::user_data),
];
