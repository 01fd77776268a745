//! Which namespaces a transport offers.

use std::collections::BTreeSet;

use jsonrpsee::Methods;

use crate::ServerError;

/// The namespace that is offered only where it is named: its methods let a caller keep a node as busy as it likes (execution-apis).
const ON_REQUEST: &str = "testing";

/// What precedes the underscore in the names of the methods that are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// Every namespace the server has, but for `testing`.
    All,
    /// These alone.
    Only(BTreeSet<String>),
}

impl Namespaces {
    /// These namespaces alone.
    pub fn only(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Only(names.into_iter().map(Into::into).collect())
    }

    /// The methods of `all` that are offered.
    ///
    /// # Errors
    /// [`ServerError::UnknownNamespace`] if one is named of which there is no method: a typing error would otherwise be
    /// noticed by the first caller only.
    pub(crate) fn select(&self, all: &Methods) -> Result<Methods, ServerError> {
        let known = names(all);
        let everything = || known.iter().copied().filter(|name| *name != ON_REQUEST);
        let wanted = match self {
            Self::All => &everything().map(str::to_owned).collect(),
            Self::Only(wanted) => wanted,
        };
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(name.as_str())) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(ServerError::UnknownNamespace { unknown: unknown.clone(), known });
        }
        let mut selected = Methods::new();
        for name in all.method_names().filter(|name| wanted.contains(namespace(name))) {
            let method = all.method(name).expect("it was just listed");
            selected.verify_and_insert(name, method.clone()).expect("names are distinct");
        }
        Ok(selected)
    }
}

/// The namespaces of which there are methods.
pub(crate) fn names(methods: &Methods) -> BTreeSet<&'static str> {
    methods.method_names().map(namespace).collect()
}

fn namespace(method: &str) -> &str {
    method.split_once('_').map_or(method, |(namespace, _)| namespace)
}

#[cfg(test)]
mod tests {
    use jsonrpsee::RpcModule;

    use super::*;

    fn methods() -> Methods {
        let mut module = RpcModule::new(());
        for name in ["eth_call", "eth_chainId", "debug_setHead", "net_version", "testing_build"] {
            module.register_method(name, |_, (), _| true).unwrap();
        }
        module.into()
    }

    #[test]
    fn only_what_is_named_is_offered() {
        let selected = Namespaces::only(["eth", "net"]).select(&methods()).unwrap();
        let mut names: Vec<_> = selected.method_names().collect();
        names.sort_unstable();
        assert_eq!(names, ["eth_call", "eth_chainId", "net_version"]);
    }

    #[test]
    fn all_namespaces_are_all_but_the_one_that_must_be_named() {
        let offered = |namespaces: Namespaces| namespaces.select(&methods()).unwrap();
        let all = offered(Namespaces::All);
        assert_eq!(all.method_names().count(), 4);
        assert!(all.method("testing_build").is_none());
        assert!(offered(Namespaces::only(["testing"])).method("testing_build").is_some());
    }

    #[test]
    fn a_namespace_that_does_not_exist_is_refused() {
        let error = Namespaces::only(["eth", "personal"]).select(&methods()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no JSON-RPC namespace \"personal\"; there are: debug, eth, net, testing"
        );
    }
}
