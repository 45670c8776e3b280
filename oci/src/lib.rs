//! Container images as file trees: OCI layouts and archives, docker archives, folders and tars, merged layer by layer.
