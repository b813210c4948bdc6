//! Reads `rest.toml` against the tables of the services.

use std::sync::Arc;
use std::time::Duration;

use super::file::{File, ParameterEntry, ProbeEntry, RouteEntry};
use super::{Location, Parameter, Route, RoutePath, Variant};
use crate::codes::Codes;
use crate::model::{Complex, Content, Operation, Service, Simple, TableError};
use crate::shape;

const FILE: &str = "rest.toml";

/// The short spelling of a version: `/v2/…` is `/v2.0.0/…`.
const ALIAS: (&str, &str) = ("2.0.0", "/v2/");

/// A call that tries a login, as the file has it.
pub(crate) type ProbeCall = (usize, Vec<(String, String)>, Vec<(String, String)>);

/// Reads the routes and the probes.
pub(crate) fn read(
    text: &str,
    services: &[Service],
    codes: &Arc<Codes>,
) -> Result<(Vec<Route>, Vec<ProbeCall>), TableError> {
    let file: File = toml::from_str(text).map_err(|error| crate::model::syntax(FILE, text, &error))?;
    let mut routes: Vec<Route> = Vec::with_capacity(file.route.len());
    for entry in &file.route {
        let route = route(entry, services, codes).map_err(|problem| TableError::new(FILE, &entry.id, problem))?;
        let taken = |path: &RoutePath| {
            routes
                .iter()
                .any(|other| other.id == route.id || other.paths.iter().any(|one| one.template == path.template))
        };
        if route.paths.iter().any(taken) {
            return Err(TableError::new(FILE, &entry.id, "the id or a path is there twice"));
        }
        routes.push(route);
    }
    let probes = file.probe.iter().map(|entry| probe(entry, &routes)).collect::<Result<_, _>>()?;
    Ok((routes, probes))
}

fn probe(entry: &ProbeEntry, routes: &[Route]) -> Result<ProbeCall, TableError> {
    let at = routes.iter().position(|route| route.id == entry.route && !route.is_order());
    let at = at.ok_or_else(|| TableError::new(FILE, format!("[[probe]] {}", entry.route), "no such read"))?;
    let pairs = |map: &std::collections::BTreeMap<String, String>| map.clone().into_iter().collect();
    Ok((at, pairs(&entry.path), pairs(&entry.query)))
}

fn route(entry: &RouteEntry, services: &[Service], codes: &Arc<Codes>) -> Result<Route, String> {
    let templated = entry.path.contains("{api_version}");
    let own = entry.path.strip_prefix("/v").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let versions = if templated { entry.versions.clone() } else { vec![own.to_owned()] };
    if versions.is_empty() || templated == entry.versions.is_empty() {
        return Err("`versions` does not fit the path".to_owned());
    }
    let mut paths = Vec::new();
    let mut variants = Vec::new();
    for version in &versions {
        let template = entry.path.replace("{api_version}", version);
        let prefix = format!("/v{version}/");
        let rest = template.strip_prefix(&prefix).ok_or("the path does not begin with its version")?;
        if version == ALIAS.0 {
            let template = format!("{}{rest}", ALIAS.1);
            paths.push(RoutePath { template, version: version.clone(), alias: true });
        }
        paths.push(RoutePath { template, version: version.clone(), alias: false });
        variants.push(Arc::new(variant(entry, version, services, codes)?));
    }
    paths.sort_by_key(|path| path.alias);
    let kept_for = entry.cache.as_deref().map(duration).transpose()?;
    Ok(Route { id: entry.id.clone(), summary: entry.summary.clone(), method: entry.method, paths, kept_for, variants })
}

fn duration(text: &str) -> Result<Duration, String> {
    let problem = || format!("`{text}` is no time");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: u64 = number.parse().map_err(|_| problem())?;
    match unit {
        "h" => Ok(Duration::from_hours(number)),
        "d" => Ok(Duration::from_hours(number * 24)),
        _ => Err(problem()),
    }
}

fn variant(entry: &RouteEntry, version: &str, services: &[Service], codes: &Arc<Codes>) -> Result<Variant, String> {
    let operation = find(&entry.operation.replace("{api_version}", version), services)?;
    let mut parameters = Vec::new();
    let mut constants = Vec::new();
    for parameter in &entry.params {
        if parameter.only.as_deref().is_some_and(|only| only != version) {
            continue;
        }
        let target = parameter.to.as_deref().map(|to| target(&operation.request_type, to)).transpose()?;
        match (&parameter.constant, target) {
            (Some(value), Some(Target { to, simple: Some(_), many: false })) => constants.push((to, value.clone())),
            (Some(_), _) => return Err("a constant must go to a single value".to_owned()),
            (None, target) => parameters.push(self::parameter(parameter, target)?),
        }
    }
    for name in placeholders(&entry.path) {
        let known = name == "supplier_code"
            || name == "api_version"
            || parameters.iter().any(|one| one.location == Location::Path && one.name == name);
        if !known {
            return Err(format!("no parameter for `{{{name}}}` of the path"));
        }
    }
    complete(&operation.request_type, &parameters, &constants)?;
    let shape = shape::build(&operation, &entry.json, entry.digest)?;
    body_rules(entry, &operation.request_type)?;
    Ok(Variant {
        route: entry.id.clone(),
        version: version.to_owned(),
        ws_version: entry.ws_version.clone().unwrap_or_else(|| operation.version.clone()),
        operation,
        parameters,
        constants,
        body: entry.body.clone(),
        digest: entry.digest,
        shape,
        codes: Arc::clone(codes),
    })
}

fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn find(name: &str, services: &[Service]) -> Result<Arc<Operation>, String> {
    let parts: Vec<&str> = name.split('/').collect();
    let [code, version, operation] = parts[..] else { return Err(format!("`{name}` is no operation")) };
    let service = services.iter().find(|service| service.code == code && service.version == version);
    let operation = service.and_then(|service| service.operations.get(operation));
    operation.cloned().ok_or_else(|| format!("no operation `{name}`"))
}

struct Target {
    to: Vec<usize>,
    /// The type of a value; none for an object.
    simple: Option<Arc<Simple>>,
    many: bool,
}

fn target(root: &Complex, path: &str) -> Result<Target, String> {
    let mut at = root;
    let mut to = Vec::new();
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let position = at.position(step).ok_or_else(|| format!("no element `{path}`"))?;
        let field = &at.fields[position];
        to.push(position);
        match (&field.content, steps.peek()) {
            (Content::Complex(inner), Some(_)) if !field.many => at = inner,
            (Content::Simple(simple), None) => {
                return Ok(Target { to, simple: Some(Arc::clone(simple)), many: field.many });
            }
            (Content::Complex(_), None) => return Ok(Target { to, simple: None, many: field.many }),
            _ => break,
        }
    }
    Err(format!("`{path}` leads through a value or a list"))
}

fn parameter(entry: &ParameterEntry, target: Option<Target>) -> Result<Parameter, String> {
    let name = entry.name.clone().ok_or("a parameter has no name")?;
    let location = entry.location.ok_or_else(|| format!("`{name}` has no place"))?;
    let body = location == Location::Body;
    if target.as_ref().is_some_and(|target| target.simple.is_none() != body || target.many != entry.many) {
        return Err(format!("`{name}` does not fit its element"));
    }
    let simple = target.as_ref().and_then(|target| target.simple.clone());
    for value in entry.map.values().chain(&entry.values) {
        let listed = simple.as_ref().and_then(|simple| simple.values.as_ref());
        if listed.is_some_and(|listed| !listed.all.contains(value)) {
            return Err(format!("`{name}`: the schema has no value `{value}`"));
        }
    }
    Ok(Parameter {
        name,
        location,
        required: entry.required || location == Location::Path,
        many: entry.many,
        default: entry.default.clone(),
        map: entry.map.clone().into_iter().collect(),
        values: entry.values.clone(),
        to: target.map(|target| target.to),
        simple,
    })
}

/// Refuses a route that would leave out an element that the schema demands.
fn complete(root: &Complex, parameters: &[Parameter], constants: &[(Vec<usize>, String)]) -> Result<(), String> {
    for (position, field) in
        root.fields.iter().enumerate().skip(3).filter(|(_, field)| field.required && !field.nillable)
    {
        let always = |parameter: &Parameter| {
            parameter.to.as_ref().is_some_and(|to| to[0] == position)
                && (parameter.required || parameter.default.is_some())
        };
        if !parameters.iter().any(always) && !constants.iter().any(|(to, _)| to[0] == position) {
            return Err(format!("nothing fills the element `{}`", field.name.local));
        }
    }
    Ok(())
}

fn body_rules(entry: &RouteEntry, root: &Complex) -> Result<(), String> {
    for rule in &entry.body {
        let mut at = root;
        for step in rule.at.split('.') {
            let field = at.position(step).map(|position| &at.fields[position].content);
            let Some(Content::Complex(inner)) = field else { return Err(format!("body: nothing is at `{}`", rule.at)) };
            at = inner;
        }
        if let Some(name) = rule.lists.keys().chain(rule.values.keys()).find(|name| at.position(name).is_none()) {
            return Err(format!("body at `{}`: no element `{name}`", rule.at));
        }
    }
    Ok(())
}
