//! Where the test data lies.

use std::path::{Path, PathBuf};

/// Folder of full suites, or of the committed sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suites {
    /// Where the folders `eest`, `chains` and `stateless-blocks` are.
    pub dir: PathBuf,
    /// Whether this is only the committed sample.
    pub sample: bool,
}

/// Finds the suites: `$ETHREX_SUITES`, else `shared/suites` inside or beside the workspace, else the committed sample.
#[must_use]
pub fn locate() -> Suites {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("tests/spec is two folders below the workspace root");
    locate_in(root, std::env::var_os("ETHREX_SUITES").map(PathBuf::from))
}

/// A folder that was asked for by name is taken as it is, so that a mistake shows instead of running the sample.
fn locate_in(root: &Path, asked: Option<PathBuf>) -> Suites {
    if let Some(dir) = asked {
        return Suites { dir, sample: false };
    }
    let inside = root.join("shared/suites");
    let beside = root.parent().map(|parent| parent.join("shared/suites"));
    let full = std::iter::once(inside).chain(beside).find(|dir| dir.is_dir());
    full.map_or_else(
        || Suites { dir: root.join("fixtures/spec"), sample: true },
        |dir| Suites { dir, sample: false },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_found_inside_then_beside_then_in_the_sample() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("clone");
        std::fs::create_dir_all(&root).unwrap();
        assert_eq!(
            locate_in(&root, None),
            Suites { dir: root.join("fixtures/spec"), sample: true }
        );
        let beside = dir.path().join("shared/suites");
        std::fs::create_dir_all(&beside).unwrap();
        assert_eq!(locate_in(&root, None), Suites { dir: beside, sample: false });
        let inside = root.join("shared/suites");
        std::fs::create_dir_all(&inside).unwrap();
        assert_eq!(locate_in(&root, None), Suites { dir: inside, sample: false });
    }

    #[test]
    fn a_folder_asked_for_wins() {
        let asked = PathBuf::from("/nowhere");
        assert_eq!(
            locate_in(Path::new("/"), Some(asked.clone())),
            Suites { dir: asked, sample: false }
        );
    }
}
