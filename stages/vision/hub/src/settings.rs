//! What the environment says, where `hf-hub` does not tell what it read.

/// Whether `HF_HUB_OFFLINE` is set, as the Python client reads it.
pub(crate) fn is_offline() -> bool {
    std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| is_true(&value))
}

fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
}

/// The token, if there is one: `HF_TOKEN`, else the file `HF_TOKEN_PATH`, else `token` in the hub's home. The same as
/// `hf-hub` sends, which keeps its own to itself.
pub(crate) fn token() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if set("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() {
        return None;
    }
    let in_file = |path| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned()).filter(|token| !token.is_empty())
    };
    set("HF_TOKEN")
        .or_else(|| in_file(set("HF_TOKEN_PATH")?.into()))
        .or_else(|| in_file(hf_hub::hf_home().join("token")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_read_as_in_python() {
        assert!(["1", "ON", "Yes", "true"].into_iter().all(is_true));
        assert!(!["0", "", "off", "2"].into_iter().any(is_true));
    }
}
