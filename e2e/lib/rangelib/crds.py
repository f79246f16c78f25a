"""CustomResourceDefinitions of the OpenShift kinds that the product reads and writes.

Own minimal texts: the fields that matter are typed and checked as the real API does, the rest is
kept as it comes (x-kubernetes-preserve-unknown-fields). All are cluster-scoped with a status
subresource, MachineConfig excepted, which has no status.
"""

STRING = {"type": "string"}
BOOL = {"type": "boolean"}
INT = {"type": "integer", "format": "int32"}
LONG = {"type": "integer", "format": "int64"}
TIME = {"type": "string", "format": "date-time"}
ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
INT_OR_STRING = {
    "x-kubernetes-int-or-string": True,
    "anyOf": [{"type": "integer"}, {"type": "string"}],
}


def obj(required=(), rules=(), keep=False, nullable=False, **fields):
    schema = {"type": "object", "properties": fields}
    if required:
        schema["required"] = list(required)
    if rules:
        schema["x-kubernetes-validations"] = [{"rule": r, "message": m} for r, m in rules]
    if keep:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    if nullable:
        schema["nullable"] = True
    return schema


def array(items, keys=(), nullable=False, **limits):
    schema = {"type": "array", "items": items, **limits}
    if keys:
        schema["x-kubernetes-list-type"] = "map"
        schema["x-kubernetes-list-map-keys"] = list(keys)
    if nullable:
        schema["nullable"] = True
    return schema


def enum(*values):
    return {"type": "string", "enum": list(values)}


CONDITIONS = array(
    obj(
        ["type", "status", "lastTransitionTime"],
        type=STRING,
        status=enum("True", "False", "Unknown"),
        lastTransitionTime=TIME,
        reason=STRING,
        message=STRING,
    ),
    keys=["type"],
)

RELEASE = obj(
    version=STRING, image=STRING, url=STRING, architecture=enum("Multi", ""), channels=array(STRING)
)


def cluster_version():
    update = obj(
        rules=[
            (
                "has(self.architecture) && has(self.image) ? "
                "(self.architecture == '' || self.image == '') : true",
                "cannot set both Architecture and Image",
            ),
            (
                "has(self.architecture) && self.architecture != '' ? "
                "has(self.version) && self.version != '' : true",
                "Version must be set if Architecture is set",
            ),
        ],
        architecture=enum("Multi", ""),
        version=STRING,
        image=STRING,
        force=BOOL,
        acceptRisks=array(obj(["name"], name=STRING), keys=["name"]),
    )
    override = obj(
        ["kind", "group", "namespace", "name", "unmanaged"],
        kind=STRING,
        group=STRING,
        namespace=STRING,
        name=STRING,
        unmanaged=BOOL,
    )
    history = obj(
        ["state", "startedTime", "image", "verified", "completionTime"],
        state=enum("Completed", "Partial"),
        startedTime=TIME,
        completionTime={**TIME, "nullable": True},
        version=STRING,
        image=STRING,
        verified=BOOL,
        acceptedRisks=STRING,
    )
    risk = obj(
        ["name", "url", "message", "matchingRules"],
        name=STRING,
        url=STRING,
        message=STRING,
        matchingRules=array(
            obj(["type"], type=enum("Always", "PromQL"), promql=obj(["promql"], promql=STRING)),
            minItems=1,
        ),
    )
    conditional = obj(
        ["release", "risks"],
        keep=True,
        release=RELEASE,
        risks=array(risk, keys=["name"], minItems=1),
        conditions=CONDITIONS,
    )
    spec = obj(
        ["clusterID"],
        keep=True,
        clusterID=STRING,
        channel=STRING,
        upstream=STRING,
        desiredUpdate=update,
        overrides=array(override, keys=["kind", "group", "namespace", "name"]),
        capabilities=ANY,
    )
    status = obj(
        ["availableUpdates", "desired", "observedGeneration", "versionHash"],
        keep=True,
        desired=RELEASE,
        history=array(history),
        observedGeneration=LONG,
        versionHash=STRING,
        capabilities=ANY,
        conditions=CONDITIONS,
        availableUpdates=array(RELEASE, nullable=True),
        conditionalUpdates=array(conditional),
    )
    return spec, status


def cluster_operator():
    return ANY, obj(
        keep=True,
        conditions=CONDITIONS,
        extension={**ANY, "nullable": True},
        versions=array(obj(["name", "version"], name=STRING, version=STRING)),
        relatedObjects=array(
            obj(
                ["group", "resource", "name"],
                group=STRING,
                resource=STRING,
                namespace=STRING,
                name=STRING,
            )
        ),
    )


def machine_config_pool():
    configuration = obj(keep=True, name=STRING, source=array(ANY))
    spec = obj(
        keep=True,
        paused=BOOL,
        maxUnavailable=INT_OR_STRING,
        nodeSelector=ANY,
        machineConfigSelector=ANY,
        configuration=configuration,
        pinnedImageSets=array(ANY),
    )
    # These conditions carry a nullable transition time, unlike the ones of config.openshift.io.
    condition = obj(
        ["type", "status"],
        keep=True,
        type=STRING,
        status=STRING,
        reason=STRING,
        message=STRING,
        lastTransitionTime={**TIME, "nullable": True},
    )
    status = obj(
        keep=True,
        observedGeneration=LONG,
        configuration=configuration,
        machineCount=INT,
        updatedMachineCount=INT,
        readyMachineCount=INT,
        unavailableMachineCount=INT,
        degradedMachineCount=INT,
        conditions=array(condition),
    )
    return spec, status


def machine_config():
    return (
        obj(keep=True, config=ANY, osImageURL=STRING, kernelArguments=array(STRING, nullable=True)),
        None,
    )


def controller_config():
    certificate = obj(
        ["subject", "signer", "bundleFile"],
        subject=STRING,
        signer=STRING,
        notBefore={**TIME, "nullable": True},
        notAfter={**TIME, "nullable": True},
        bundleFile=STRING,
    )
    return ANY, obj(keep=True, controllerCertificates=array(certificate))


def api_request_count():
    user = obj(keep=True, username=STRING, userAgent=STRING, requestCount=LONG)
    hour = obj(requestCount=LONG, byNode=array(obj(keep=True, nodeName=STRING, byUser=array(user))))
    return obj(numberOfUsersToReport=LONG), obj(
        conditions=CONDITIONS,
        removedInRelease={"type": "string", "pattern": r"^[0-9][0-9]*\.[0-9][0-9]*$"},
        requestCount=LONG,
        currentHour=hour,
        last24h=array(hour),
    )


def column(name, kind, path):
    return {"name": name, "type": kind, "jsonPath": path}


# What the server prints where a client asks for a table.
COLUMNS = {
    "apirequestcounts": [
        column("RemovedInRelease", "string", ".status.removedInRelease"),
        column("RequestsInCurrentHour", "integer", ".status.currentHour.requestCount"),
        column("RequestsInLast24h", "integer", ".status.requestCount"),
    ]
}

# plural, singular, kind, group, function that gives (spec, status), short names
KINDS = (
    (
        "clusterversions",
        "clusterversion",
        "ClusterVersion",
        "config.openshift.io",
        cluster_version,
        [],
    ),
    (
        "clusteroperators",
        "clusteroperator",
        "ClusterOperator",
        "config.openshift.io",
        cluster_operator,
        ["co"],
    ),
    (
        "machineconfigpools",
        "machineconfigpool",
        "MachineConfigPool",
        "machineconfiguration.openshift.io",
        machine_config_pool,
        ["mcp"],
    ),
    (
        "machineconfigs",
        "machineconfig",
        "MachineConfig",
        "machineconfiguration.openshift.io",
        machine_config,
        ["mc"],
    ),
    (
        "controllerconfigs",
        "controllerconfig",
        "ControllerConfig",
        "machineconfiguration.openshift.io",
        controller_config,
        [],
    ),
    (
        "apirequestcounts",
        "apirequestcount",
        "APIRequestCount",
        "apiserver.openshift.io",
        api_request_count,
        [],
    ),
)


def definition(plural, singular, kind, group, make, short):
    spec, status = make()
    properties = {
        "apiVersion": STRING,
        "kind": STRING,
        "metadata": {"type": "object"},
        "spec": spec,
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    if plural in COLUMNS:
        version["additionalPrinterColumns"] = COLUMNS[plural]
    if status:
        properties["status"] = status
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "versions": [version],
            "names": {
                "plural": plural,
                "singular": singular,
                "kind": kind,
                "listKind": kind + "List",
                "shortNames": short,
            },
        },
    }


def definitions():
    """All of them, ready to be created."""
    return [definition(*k) for k in KINDS]


def established(crd):
    """Is this definition, as the server has it, being served?"""
    conditions = crd.get("status", {}).get("conditions") or []  # null while it is new
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
