"""Holds the messages of the engine, and its tables, against the standard's own schemas with libxml2.

Usage: run.py FOLDER-OF-MESSAGES. The messages are made by `cargo run -p promostandards --example messages`.
"""

import pathlib
import re
import sys
import tempfile
import tomllib

from lxml import etree

CRATE = pathlib.Path(__file__).parents[2] / "crates" / "promostandards"
XSD = "{http://www.w3.org/2001/XMLSchema}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


def schemas(service):
    """Parses the schemas of a service, each once."""
    return [(path, etree.parse(path).getroot()) for path in sorted((CRATE / "xsd" / service).glob("*.xsd"))]


def validator(service):
    """Joins the files of each namespace by includes, because libxml2 reads a namespace from one file only."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        files = {}
        for path, root in schemas(service):
            files.setdefault(root.get("targetNamespace"), []).append(path.name)
            for node in root.iter(XSD + "import"):
                node.attrib.pop("schemaLocation", None)
            etree.ElementTree(root).write(folder / path.name)
        imports = []
        for number, (namespace, names) in enumerate(files.items()):
            includes = "".join(f'<include schemaLocation="{name}"/>' for name in names)
            joined = f'<schema xmlns="{XSD[1:-1]}" targetNamespace="{namespace}">{includes}</schema>'
            (folder / f"joined{number}.xsd").write_text(joined)
            imports.append(f'<import namespace="{namespace}" schemaLocation="joined{number}.xsd"/>')
        root = folder / "all.xsd"
        root.write_text(f'<schema xmlns="{XSD[1:-1]}">{"".join(imports)}</schema>')
        return etree.XMLSchema(etree.parse(root))


class Standard:
    """The schemas of a service, to be walked."""

    def __init__(self, service):
        self.named = {}
        for _, root in schemas(service):
            namespace = root.get("targetNamespace")
            for node in root:
                if isinstance(node.tag, str) and node.get("name"):
                    self.named.setdefault((node.tag, namespace, node.get("name")), (node, namespace, root))

    def find(self, kind, name, node):
        prefix, _, local = name.rpartition(":")
        return self.named.get((XSD + kind, node.nsmap.get(prefix or None), local))

    def children(self, node, namespace, root):
        """The child elements of a complex type: (namespace, name, smallest, largest, nillable, element, its place)."""
        if node.get("type"):
            found = self.find("complexType", node.get("type"), node)
            if not found:
                return None
            node, namespace, root = found
        elif node.tag == XSD + "element":
            node = node.find(XSD + "complexType")
            if node is None:
                return None
        out = []
        self.gather(node, namespace, root, out, False)
        return out

    def gather(self, node, namespace, root, out, optional):
        for child in node:
            if child.tag in (XSD + "sequence", XSD + "all", XSD + "complexContent"):
                self.gather(child, namespace, root, out, optional or child.get("minOccurs") == "0")
            elif child.tag == XSD + "choice":
                self.gather(child, namespace, root, out, True)
            elif child.tag == XSD + "extension":
                base, where, top = self.find("complexType", child.get("base"), child)
                self.gather(base, where, top, out, optional)
                self.gather(child, namespace, root, out, optional)
            elif child.tag == XSD + "element":
                smallest = 0 if optional else int(child.get("minOccurs", "1"))
                largest = child.get("maxOccurs", "1")
                nillable = child.get("nillable") in ("true", "1")
                if child.get("ref"):
                    element, where, top = self.find("element", child.get("ref"), child)
                    nillable = nillable or element.get("nillable") in ("true", "1")
                    out.append((where, element.get("name"), smallest, largest, nillable, element, where, top))
                else:
                    local = child.get("form") == "unqualified" or root.get("elementFormDefault") != "qualified"
                    where = None if local else namespace
                    out.append((where, child.get("name"), smallest, largest, nillable, child, namespace, root))

    def simple(self, node):
        """The base and the facets of a simple type."""
        facets = {"values": []}
        name = node.get("type")
        restriction = node.find(XSD + "simpleType/" + XSD + "restriction")
        while True:
            if restriction is not None:
                values = []
                for facet in restriction:
                    if facet.tag == XSD + "enumeration":
                        values.append(facet.get("value"))
                    elif isinstance(facet.tag, str):
                        facets.setdefault(facet.tag[len(XSD) :], facet.get("value"))
                facets["values"] = facets["values"] or values
                name, node = restriction.get("base"), restriction
                if name is None:
                    restriction = restriction.find(XSD + "simpleType/" + XSD + "restriction")
                    continue
            prefix, _, local = name.rpartition(":")
            if node.nsmap.get(prefix or None) == XSD[1:-1]:
                return local, facets
            node = self.find("simpleType", name, node)[0]
            restriction = node.find(XSD + "restriction")


def facets_of(text, values):
    """A simple type of a table as (base, facets)."""
    base = re.match(r"\w+", text)[0]
    facets = {"values": []}
    inner = re.search(r"\(([^)]*)\)", text)
    for facet in inner[1].split(" ") if inner and not inner[1].startswith("digits") else []:
        low, dots, high = facet.partition("..")
        if facet == ">0":
            facets["minExclusive"] = "0"
        elif facet.startswith(".") and base == "decimal":
            facets["fractionDigits"] = facet[1:]
        elif dots:
            facets.update({key: value for key, value in (("minLength", low), ("maxLength", high)) if value})
        else:
            facets["length"] = facet
    if inner and inner[1].startswith("digits"):
        facets["totalDigits"] = inner[1].split(" ")[1]
    listed = re.search(r"<([^>]*)>", text)
    if listed:
        facets["values"] = values[listed[1]]
    return base, facets


def compare(service, errors):
    """Walks the table and the schema of a service side by side. Returns how many fields were compared."""
    table = tomllib.loads((CRATE / "tables" / f"{service}.toml").read_text())
    standard = Standard(service)
    compared = 0
    seen = set()

    def walk(kind, element, namespace, root, path):
        nonlocal compared
        children = standard.children(element, namespace, root) or []
        lines = table["type"][kind]
        if len(children) != len(lines):
            errors.append(f"{service} {path}: {len(lines)} fields, the schema has {len(children)}")
            return
        for line, (where, name, smallest, largest, nillable, child, inner, top) in zip(lines, children):
            head, of = line.split(" : ")
            prefix, local, occurs, nil = re.fullmatch(r"(\w+):([\w-]+)([?+*]?)(~?)", head).groups()
            theirs = (where, name, {(0, False): "?", (1, False): "", (0, True): "*", (1, True): "+"}[smallest > 0, largest != "1"], nillable)
            ours = (table["namespace"][prefix], local, occurs, nil == "~")
            if ours != theirs:
                errors.append(f"{service} {path}: {line} is {theirs}")
            compared += 1
            if of in table["type"]:
                if (of, id(child)) not in seen:
                    seen.add((of, id(child)))
                    walk(of, child, inner, top, f"{path}.{local}")
                continue
            base, facets = standard.simple(child)
            # The tables say a length once, and not beside an enumeration.
            lengths = {"minLength", "maxLength"} if facets["values"] else set()
            if facets.get("minLength") and facets.get("minLength") == facets.get("maxLength"):
                facets["length"] = facets["minLength"]
                lengths = {"minLength", "maxLength"}
            skipped = lengths | {"whiteSpace", "pattern"} | ({"length"} if facets["values"] else set())
            facets = {key: value for key, value in facets.items() if key not in skipped}
            if (base, facets) != facets_of(of, table["enum"]):
                errors.append(f"{service} {path}: {line} is {base} {facets}")

    for operation in table["operation"]:
        for side in ("request", "response"):
            prefix, local = operation[side].split(":")
            found = standard.named[XSD + "element", table["namespace"][prefix], local]
            walk(operation.get(f"{side}_type", local), *found, f"{operation['name']} {side}")
    return compared


def main():
    folder = pathlib.Path(sys.argv[1])
    errors, messages, fields = [], 0, 0
    for directory in sorted(folder.iterdir()):
        schema = validator(directory.name)
        fields += compare(directory.name, errors)
        for path in sorted(directory.glob("*.xml")):
            body = etree.parse(path).getroot().find(SOAP + "Body")
            messages += 1
            if not schema.validate(body[0]):
                errors.extend(f"{directory.name}/{path.name}: {error.message}" for error in schema.error_log)
    for error in errors[:50]:
        print(error)
    print(f"{messages} messages and {fields} fields of the tables, {len(errors)} errors")
    sys.exit(1 if errors or not messages else 0)


main()
