//! A PostgreSQL of its own, in a temporary folder, reached by a socket in it.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Of `nobody`, whom PostgreSQL runs as where the tests run as root: it refuses to be root.
const NOBODY: u32 = 65_534;

pub(crate) struct Postgres {
    pub(crate) address: String,
    server: Child,
    _folder: tempfile::TempDir,
}

/// A program of PostgreSQL: on the path, or where Debian keeps it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    if is_root(folder) {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Is the folder, made by this process, root's or already given away by it.
fn is_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(folder).unwrap().uid();
    owner == 0 || owner == NOBODY
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let [initdb, postgres] = ["initdb", "postgres"].map(|name| {
            program(name)
                .expect("PostgreSQL is not installed: `make test` does it, or apt-get install postgresql")
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        if is_root(path) {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = path.join("data");
        let mut init = command(&initdb, path);
        let made =
            init.args(["-A", "trust", "-U", "refute", "--no-sync", "-E", "UTF8", "-D"]).arg(&data).status();
        assert!(made.unwrap().success(), "initdb failed");
        let mut server = command(&postgres, path);
        let server = server.arg("-D").arg(&data).arg("-k").arg(path).args(["-h", ""]).spawn().unwrap();
        let begin = Instant::now();
        while std::os::unix::net::UnixStream::connect(path.join(".s.PGSQL.5432")).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "postgres does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let address = format!("postgres://refute@localhost/postgres?host={}", path.display());
        Self { address, server, _folder: folder }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Whatever is left of it is in the folder that goes next.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
