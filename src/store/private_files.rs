//! The data directory is its owner's alone: messages, password hashes and everything else in it can be read by nobody else.
//!
//! Directories are made with mode 0700 and files with 0600. What is there already with wider permissions, from an older
//! version or a copy, is tightened at the start. A new file is never made through a symbolic link that somebody laid there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a directory, and those above it that are missing, for the owner only.
pub(super) fn create_dir_all(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Makes a file that is not there yet. A symbolic link of that name is an error, wherever it leads.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create_new(true)).open(path)
}

/// Options for a file that is made if it is not there.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// An error for a symbolic link where a file of ours should be.
pub(super) fn refuse_link(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a symbolic link, which Coney does not follow here",
        )),
        _ => Ok(()),
    }
}

/// Takes the permissions of everybody but the owner from a directory and from all that is in it. Tells how many had any.
/// What belongs to another user cannot be changed; that is an error of the first such file.
#[cfg(unix)]
pub(super) fn tighten(dir: &Path) -> io::Result<usize> {
    let mut tightened = usize::from(tighten_one(dir)?);
    for entry in dir.read_dir()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            tightened += tighten(&entry.path())?;
        } else if kind.is_file() {
            tightened += usize::from(tighten_one(&entry.path())?);
        }
    }
    Ok(tightened)
}

#[cfg(unix)]
fn tighten_one(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = path.symlink_metadata()?.permissions();
    let mode = permissions.mode();
    if mode & 0o077 == 0 {
        return Ok(false);
    }
    permissions.set_mode(mode & !0o077);
    std::fs::set_permissions(path, permissions)?;
    Ok(true)
}

/// Nothing: other systems have no such modes.
#[cfg(not(unix))]
pub(super) fn tighten(_: &Path) -> io::Result<usize> {
    Ok(0)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().map_or(0, |metadata| metadata.permissions().mode() & 0o777)
    }

    #[test]
    fn what_is_made_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, file) = (dir.path().join("a/b"), dir.path().join("file"));
        create_dir_all(&inner).unwrap();
        drop(create_new(&file).unwrap());
        assert_eq!((mode(&dir.path().join("a")), mode(&inner), mode(&file)), (0o700, 0o700, 0o600));
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        assert!(create_new(&link).is_err());
        assert!(refuse_link(&link).is_err());
        assert!(refuse_link(&victim).is_ok());
        assert!(refuse_link(&dir.path().join("none")).is_ok());
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn what_is_there_is_tightened_and_links_are_left_alone() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [inner, file] = ["d", "d/f"].map(|name| dir.path().join(name));
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(&file, "").unwrap();
        let victim = outside.path().join("victim");
        std::fs::write(&victim, "").unwrap();
        symlink(&victim, inner.join("link")).unwrap();
        for (path, mode) in [(dir.path(), 0o755), (&inner, 0o775), (&file, 0o644), (&victim, 0o644)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        assert_eq!(tighten(dir.path()).unwrap(), 3);
        assert_eq!([dir.path(), &inner, &file, &victim].map(mode), [0o700, 0o700, 0o600, 0o644]);
        assert_eq!(tighten(dir.path()).unwrap(), 0);
    }
}
