//! The route that a request's path belongs to, as a number, so that requests are counted by template and not by
//! path: paths contain names of others' choice.

use crate::routes;
use matchit::Router;

/// The label of a path that belongs to no route.
const UNKNOWN: &str = "unknown";

/// The templates of all routes, each once.
#[derive(Clone)]
pub(super) struct Paths {
    router: Router<usize>,
    templates: Vec<&'static str>,
}

impl Paths {
    pub(super) fn new() -> Self {
        let mut templates: Vec<_> = routes::routes().map(|(_, path, _)| path).collect();
        templates.sort_unstable();
        templates.dedup();
        let mut router = Router::new();
        for (index, template) in templates.iter().enumerate() {
            // axum's router has taken each of them, and it is this one.
            let inserted = router.insert(*template, index);
            debug_assert!(inserted.is_ok(), "{template}");
        }
        templates.push(UNKNOWN);
        Self { router, templates }
    }

    /// Returns the number of the path's route.
    pub(super) fn number(&self, path: &str) -> usize {
        self.router.at(path).map_or(self.templates.len() - 1, |found| *found.value)
    }

    /// Returns the template of the route with this number.
    pub(super) fn template(&self, number: usize) -> &'static str {
        self.templates[number]
    }

    pub(super) fn len(&self) -> usize {
        self.templates.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_template_of_its_route() {
        let paths = Paths::new();
        let template = |path: &str| paths.template(paths.number(path));
        assert_eq!(template("/v1/pools/fib/jobs"), "/v1/pools/{pool}/jobs");
        assert_eq!(template("/v1/jobs/cancel"), "/v1/jobs/cancel");
        assert_eq!(template("/v1/jobs/8f3a/result"), "/v1/jobs/{id}/result");
        assert_eq!(template("/"), "/");
        for path in ["/wp-login.php", "/v1/pools/fib/jobs/", "*", ""] {
            assert_eq!(template(path), UNKNOWN, "{path}");
        }
    }
}
