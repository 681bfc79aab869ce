//! Where variables come from: the process, or a closure in tests and tools.

/// Variables of the environment.
pub trait Environment {
    /// The value of a variable that is set and is UTF-8.
    fn get(&self, name: &str) -> Option<String>;

    /// Names of all variables, to find misspelt ones; empty when they can't be listed.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }
}
