//! The versioned test vectors: one file per operation, made from the reference kernels, checked against them here and
//! by every other implementation. `make vectors` writes them; a kernel that changes without its vectors fails.

mod vectors {
    pub(crate) mod cases;
    pub(crate) mod format;
    pub(crate) mod steps;
}

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use executor::program::op::Op;
use vectors::format::{parse, render};
use vectors::{cases, steps};

/// Set it to write the files instead of comparing them.
const WRITE: &str = "REFUTE_WRITE_VECTORS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/v1")
}

fn stems(folder: &Path, ending: &str) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(String::from)).collect()
}

#[test]
fn every_operation_has_a_kernel_and_vectors() {
    if std::env::var_os(WRITE).is_some() {
        return;
    }
    let wanted: BTreeSet<String> = Op::STEMS.iter().map(|s| s.to_string()).collect();
    assert_eq!(stems(&folder(), ".json"), wanted);
    let mut kernels = stems(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernels"), ".rs");
    for helper in ["mod", "constant", "operands"] {
        assert!(kernels.remove(helper));
    }
    assert_eq!(kernels, wanted);
}

#[test]
fn the_files_are_what_the_kernels_make() {
    let mut total = 0;
    for stem in Op::STEMS {
        let path = folder().join(format!("{stem}.json"));
        let made = render(stem, &cases::of(stem));
        total += made.len();
        if std::env::var_os(WRITE).is_some() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, made).unwrap();
        } else {
            let there = std::fs::read_to_string(&path).unwrap();
            assert!(
                there == made,
                "{stem}: the kernel has changed. A new version of the specification needs new vectors"
            );
        }
    }
    assert!(total < 600_000, "{total} bytes");
}

/// As another implementation would: nothing but the file is used.
#[test]
fn every_vector_reproduces() {
    if std::env::var_os(WRITE).is_some() {
        return;
    }
    for stem in Op::STEMS {
        let text = std::fs::read_to_string(folder().join(format!("{stem}.json"))).unwrap();
        let vectors = parse(stem, &text);
        assert!(vectors.len() >= 3, "{stem} has too few vectors");
        for (vector, expected) in vectors {
            assert_eq!(vector.run(), expected, "{stem}: {}", vector.name);
        }
    }
}

/// A dispute checks single elements: each must be what the kernel gives for the whole row.
#[test]
fn every_element_is_its_step() {
    if std::env::var_os(WRITE).is_some() {
        return;
    }
    for stem in Op::STEMS {
        let text = std::fs::read_to_string(folder().join(format!("{stem}.json"))).unwrap();
        for (vector, expected) in parse(stem, &text) {
            steps::check(stem, &vector, &expected);
        }
    }
}
