//! What to try in another terminal, as commands that work in exactly this folder.

use std::path::Path;

use super::folder::Folder;

/// The text. `program` is this binary.
pub(super) fn text(folder: &Folder, program: &Path) -> String {
    let (clone, settings) = (folder.clone(), folder.settings());
    let (clone, settings, program) = (clone.display(), settings.display(), program.display());
    format!(
        r#"
Everything stays up until Ctrl-C. What to try, in another terminal:

  cd '{clone}'

  # a larger cluster: an update in place
  sed -i.bak 's/max_node_count: 10$/max_node_count: 12/' environments/production.yaml
  git commit -qam 'A larger cluster' && git push -q

  # a mistake: the error comes with file, line and column, as a status
  sed -i.bak 's/max_node_count: 1/max_node_cuont: 1/' environments/production.yaml
  git commit -qam 'A mistake' && git push -q
  git revert --no-edit HEAD && git push -q

  # a branch: a plan, and nothing changes
  git switch -qc more-nodes
  sed -i.bak 's/max_node_count: 1.$/max_node_count: 18/' environments/production.yaml
  git commit -qam 'More nodes' && git push -q

  # what the commits say; the same plan by hand
  git fetch -q && git log --branches --notes=beamline
  '{program}' plan production --config '{settings}'

"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_is_there_once() {
        let production = include_str!("../../../environments/production.yaml");
        assert_eq!(production.matches("max_node_count: 10\n").count(), 1);
        assert_eq!(production.matches("max_node_count: 1").count(), 1);
        let folder = Folder::make(None).unwrap();
        assert!(text(&folder, Path::new("/bin/beamline")).contains("/clone'"));
    }
}
