//! What is printed to be pasted into a shell: the settings of beamline, whole and in a file of their own.
//!
//! Guarantees: what is printed works as it stands, from any folder, whatever the paths look like; what is written
//! lies in one folder that Git does not see.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use beamline_simulator::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT};

use super::{CLIENT, SECRET};
use crate::cli::error::CliError;

/// What the simulator, and beamline with its settings, leave behind.
const FOLDER: &str = "simulator-state";

/// The folder, with everything in it hidden from the Git repository around it.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it below the present folder.
    pub(super) fn make() -> Result<Self, CliError> {
        let failed = |source| CliError::io(format!("write {FOLDER}"), source);
        let folder = std::path::absolute(FOLDER).map_err(failed)?;
        std::fs::create_dir_all(&folder).map_err(failed)?;
        std::fs::write(folder.join(".gitignore"), "*\n").map_err(failed)?;
        Ok(Self(folder))
    }

    /// The certificate authority, where no other file is named.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    fn settings(&self) -> PathBuf {
        self.0.join("beamline.toml")
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }
}

/// What a forge has to add.
pub(super) struct OfForge {
    /// Sections.
    pub(super) settings: String,
    /// Names and values.
    pub(super) secrets: Vec<(&'static str, String)>,
}

/// The lines that make a shell use the simulator with beamline.
pub(super) fn lines(folder: &Folder, azure: Option<(&str, &Path)>, forge: Option<&OfForge>) -> String {
    let file = shell(&folder.settings().display().to_string());
    let mut text = format!(
        "\n# beamline (the settings in a file, the secrets in the environment)\ncat > {file} <<'END'\nstate_dir = {}\n",
        toml(&folder.state().display().to_string())
    );
    let mut secrets = Vec::new();
    // Writing into a String cannot fail.
    match azure {
        Some((base, ca)) => {
            text += &of_azure(base, ca);
            secrets.push(("BEAMLINE_SECRET_ML", SECRET.to_owned()));
        }
        None => text += "# No Azure is simulated: add the [subscriptions] that your definitions name.\n",
    }
    if let Some(forge) = forge {
        text += &forge.settings;
        secrets.extend(forge.secrets.iter().cloned());
    }
    text += "END\n";
    for (name, value) in secrets {
        writeln!(text, "export {name}={}", shell(&value)).ok();
    }
    let next = if forge.is_some() { "beamline daemon" } else { "beamline plan" };
    writeln!(text, "# then: {next} --config {file}").ok();
    text
}

fn of_azure(base: &str, ca: &Path) -> String {
    format!(
        r#"[clouds.simulator]
resource_manager = "{base}"
ca_file = {}
[subscriptions.ml]
id = "{DEFAULT_SUBSCRIPTION}"
tenant = "{DEFAULT_TENANT}"
cloud = "simulator"
credential = "client-secret"
client_id = "{CLIENT}"
"#,
        toml(&ca.display().to_string())
    )
}

/// A text as one word of a shell.
pub(super) fn shell(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:=@%+,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A text as a value of TOML.
pub(super) fn toml(text: &str) -> String {
    ::toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_settings_are_settings_and_keep_their_journal_apart() {
        let folder = Folder(PathBuf::from("/tmp/it's a \"folder\"/simulator-state"));
        let ca = folder.ca_file();
        for azure in [Some(("https://127.0.0.1:8443", ca.as_path())), None] {
            let text = lines(&folder, azure, None);
            let settings = text.split("<<'END'\n").nth(1).unwrap().split("END\n").next().unwrap();
            let config = Config::over_default("beamline.toml", settings).unwrap();
            assert_eq!(config.state_dir, folder.state());
            let known = [config.clouds.contains_key("simulator"), config.subscriptions.contains_key("ml")];
            assert_eq!(known, [azure.is_some(); 2]);
            assert!(
                text.contains(r#"cat > '/tmp/it'\''s a "folder"/simulator-state/beamline.toml'"#),
                "{text}"
            );
        }
    }
}
