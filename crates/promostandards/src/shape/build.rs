//! Applies the rules of a route to a response type.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Kind, Member, Number, ObjectRole, Role, Shape, quoted};
use crate::model::{Complex, Content, Operation};
use crate::routes::{Digest, Rule};

/// Builds the shape of an operation's answer. Every rule must fit; the error names the one that does not.
pub(crate) fn build(operation: &Operation, rules: &[Rule], digest: Option<Digest>) -> Result<Arc<Shape>, String> {
    let mut work = Builder { rules, used: BTreeSet::new(), digest };
    let shape = work.object(&operation.response_type, "", Place::Root)?;
    match rules.iter().find(|rule| !work.used.contains(rule.at.as_str())) {
        Some(rule) => Err(format!("json: nothing is at `{}`", rule.at)),
        None => Ok(Arc::new(shape)),
    }
}

/// The place of an object among the messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    ServiceMessages,
    Message(ObjectRole),
    /// A product of a list that becomes a digest.
    Sellable,
    Elsewhere,
}

struct Builder<'a> {
    rules: &'a [Rule],
    used: BTreeSet<&'a str>,
    digest: Option<Digest>,
}

impl<'a> Builder<'a> {
    fn rule(&self, path: &str) -> Option<&'a Rule> {
        self.rules.iter().find(|rule| rule.at == path)
    }

    fn object(&mut self, complex: &Complex, path: &str, place: Place) -> Result<Shape, String> {
        let rule = self.rule(path);
        if let Some(rule) = rule {
            self.used.insert(&rule.at);
            check(rule, complex)?;
        }
        let mut fields = Vec::with_capacity(complex.fields.len());
        for field in &complex.fields {
            fields.push(self.member(field, path, place, rule)?);
        }
        let meaning = match place {
            Place::Message(meaning) => meaning,
            Place::Sellable => ObjectRole::Sellable,
            Place::Root | Place::ServiceMessages | Place::Elsewhere => ObjectRole::None,
        };
        Ok(Shape { fields, nulls: rule.map(|rule| rule.nulls.clone()).unwrap_or_default(), role: meaning })
    }

    fn member(
        &mut self,
        field: &crate::model::Field,
        path: &str,
        place: Place,
        rule: Option<&Rule>,
    ) -> Result<Member, String> {
        let name = &field.name.local;
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let mut key = name.clone();
        let mut item = None;
        if let Some(new) = rule.and_then(|rule| rule.rename.get(name)) {
            key.clone_from(new);
        }
        if let Some(new) = rule.and_then(|rule| rule.objects.get(name)) {
            item = Some(quoted(name) + ":");
            key.clone_from(new);
        }
        let mut meaning = role(place, name);
        let kind = match &field.content {
            Content::Simple(simple) => {
                if place == Place::Root && name.eq_ignore_ascii_case("errorMessage") {
                    meaning = Role::ErrorText;
                }
                let has = |names: &[String]| names.contains(name);
                let number = match rule {
                    Some(rule) if has(&rule.numbers) => Number::Any,
                    Some(rule) if has(&rule.integers) => Number::Whole,
                    _ => Number::Plain,
                };
                Kind::Value(Arc::clone(simple), number)
            }
            Content::Complex(complex) => {
                let products = matches!(self.digest, Some(Digest::ProductIds | Digest::ProductVariants));
                let inner = match place {
                    Place::Root if name == "ServiceMessageArray" => Place::ServiceMessages,
                    Place::Root if name.eq_ignore_ascii_case("errorMessage") => {
                        Place::Message(ObjectRole::ErrorMessage)
                    }
                    Place::ServiceMessages => Place::Message(ObjectRole::ServiceMessage),
                    _ if products && below == "ProductSellableArray.ProductSellable" => Place::Sellable,
                    _ => Place::Elsewhere,
                };
                let mut shape = self.object(complex, &below, inner)?;
                self.filters(&below, &mut shape);
                let bare = rule.is_some_and(|rule| rule.lists.contains_key(name));
                if bare { Kind::Bare(Arc::new(shape)) } else { Kind::Object(Arc::new(shape)) }
            }
        };
        let default = match (meaning, rule.and_then(|rule| rule.defaults.get(name))) {
            (Role::Severity, _) => Some("\"Error\""),
            (_, Some(true)) => Some("true"),
            (_, Some(false)) => Some("false"),
            (_, None) => None,
        };
        Ok(Member {
            element: name.clone(),
            head: quoted(&key) + ":",
            key,
            many: field.many,
            kind,
            default,
            item,
            role: meaning,
        })
    }

    /// The filters of Inventory 1.2.1 under the names of 2.0.0.
    fn filters(&self, path: &str, shape: &mut Shape) {
        if self.digest != Some(Digest::FilterValues) {
            return;
        }
        let key = match path {
            "FilterColorArray" => "partColor",
            "FilterSizeArray" => "labelSize",
            _ => return,
        };
        for member in &mut shape.fields {
            key.clone_into(&mut member.key);
            member.head = quoted(key) + ":";
        }
    }
}

fn role(place: Place, name: &str) -> Role {
    match (place, name) {
        (Place::Message(_), "code") => Role::Code,
        (Place::Message(_), "description") => Role::Description,
        (Place::Message(_), "severity") => Role::Severity,
        (Place::Elsewhere, "customMessage") => Role::Note,
        (Place::Sellable, "productId") => Role::ProductId,
        (Place::Sellable, "partId") => Role::PartId,
        _ => Role::None,
    }
}

/// Refuses a rule that names what the type does not have.
fn check(rule: &Rule, complex: &Complex) -> Result<(), String> {
    let at = &rule.at;
    let field = |name: &String| {
        let position = complex.position(name).ok_or_else(|| format!("json at `{at}`: no element `{name}`"))?;
        Ok::<_, String>(&complex.fields[position])
    };
    for (old, new) in rule.rename.iter().chain(&rule.objects) {
        field(old)?;
        if complex.position(new).is_some() || rule.nulls.contains(new) {
            return Err(format!("json at `{at}`: `{new}` is there already"));
        }
    }
    for name in rule.objects.keys() {
        if !field(name)?.many {
            return Err(format!("json at `{at}`: `{name}` is no list"));
        }
    }
    for name in rule.defaults.keys() {
        field(name)?;
    }
    for name in rule.numbers.iter().chain(&rule.integers) {
        if matches!(field(name)?.content, Content::Complex(_)) {
            return Err(format!("json at `{at}`: `{name}` is no value"));
        }
    }
    for (wrapper, list) in &rule.lists {
        let fits = match &field(wrapper)?.content {
            Content::Complex(inner) => matches!(&inner.fields[..], [only] if only.many && only.name.local == *list),
            Content::Simple(_) => false,
        };
        if !fits {
            return Err(format!("json at `{at}`: `{wrapper}` is no wrapper of `{list}`"));
        }
    }
    match rule.nulls.iter().find(|name| complex.position(name).is_some()) {
        Some(name) => Err(format!("json at `{at}`: `{name}` is an element of the schema")),
        None => Ok(()),
    }
}
