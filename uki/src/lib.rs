//! PE images: what machine a boot loader is for, its sections and SBAT.
