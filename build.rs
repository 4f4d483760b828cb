//! Compresses what is compiled in to be sent to browsers: the files of the web page, which it lists as well, the OpenAPI document, and
//! the reference that is made from it.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest.join("ui");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_MANAGEMENT").is_none() {
        return Ok(());
    }
    println!("cargo::rerun-if-changed=ui");
    let mut files = Vec::new();
    list(&root, &mut files)?;
    let mut paths = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root)?.to_str().ok_or("a name that is no text")?.replace('\\', "/");
        paths.push((path, file));
    }
    paths.sort();
    let mut table = String::from("&[\n");
    for (number, (path, file)) in paths.iter().enumerate() {
        let compressed = out.join(format!("{number}.gz"));
        compress(file, &compressed)?;
        table += &format!("    ({path:?}, include_bytes!({compressed:?})),\n");
    }
    fs::write(out.join("page_files.rs"), table + "]\n")?;
    let document = manifest.join("src/management/openapi/openapi.json");
    println!("cargo::rerun-if-changed={}", document.display());
    compress(&document, &out.join("openapi.json.gz"))?;
    let reference = manifest.join("docs/http-api.html");
    println!("cargo::rerun-if-changed={}", reference.display());
    compress(&reference, &out.join("http-api.html.gz"))
}

fn compress(file: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let mut encoder = GzEncoder::new(File::create(to)?, Compression::best());
    encoder.write_all(&fs::read(file)?)?;
    encoder.finish()?;
    Ok(())
}

/// The files below a folder.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
