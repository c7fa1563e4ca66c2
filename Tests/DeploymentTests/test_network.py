"""The network of vpc.yml: what is made for one zone and for two, and what goes where."""

import ipaddress
import unittest

import yaml
from serverless_file import ROOT


class TagLoader(yaml.SafeLoader):
    """YAML with each intrinsic function as one entry of its name."""


def construct(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    return {suffix: loader.construct_sequence(node, deep=True)}


TagLoader.add_multi_constructor("!", construct)
TEMPLATE = yaml.load((ROOT / "vpc.yml").read_text(), TagLoader)
NO_VALUE = {"Ref": "AWS::NoValue"}


class Network:
    """The stack as CloudFormation makes it of some parameters. What it names itself stands as `<LogicalId>`."""

    def __init__(self, **given):
        defaults = {name: item["Default"] for name, item in TEMPLATE["Parameters"].items()}
        self.parameters = {**{name: str(value) for name, value in defaults.items()}, **given}
        self.resources = {
            name: {"Type": item["Type"], **self.value(item.get("Properties", {}))}
            for name, item in TEMPLATE["Resources"].items()
            if self.holds(item.get("Condition"))
        }
        self.outputs = {name: self.value(item["Value"]) for name, item in TEMPLATE["Outputs"].items()}

    def of_type(self, kind):
        return {name: item for name, item in self.resources.items() if item["Type"] == kind}

    def holds(self, condition):
        return condition is None or self.value(TEMPLATE["Conditions"][condition])

    def value(self, value):
        if isinstance(value, list):
            return [self.value(item) for item in value if self.value(item) != NO_VALUE]
        if not isinstance(value, dict):
            return value
        (kind, argument), *others = value.items()
        if others or not hasattr(self, f"fn_{kind.lower()}"):
            return {key: self.value(item) for key, item in value.items()}
        return getattr(self, f"fn_{kind.lower()}")(argument)

    # The intrinsic functions.

    def fn_ref(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        return self.parameters.get(name, f"<{name}>")

    def fn_getatt(self, name):
        return f"<{name}>"

    def fn_sub(self, text):
        return text

    def fn_condition(self, name):
        return self.holds(name)

    def fn_getazs(self, _):
        return ["zone-a", "zone-b", "zone-c"]

    def fn_if(self, items):
        return self.value(items[1] if self.holds(items[0]) else items[2])

    def fn_not(self, items):
        return not self.value(items[0])

    def fn_and(self, items):
        return all(map(self.value, items))

    def fn_equals(self, items):
        return self.value(items[0]) == self.value(items[1])

    def fn_join(self, argument):
        items = self.value(argument[1])
        return argument[0].join([items] if isinstance(items, str) else items)

    def fn_select(self, argument):
        return self.value(argument[1])[argument[0]]

    def fn_cidr(self, argument):
        network, count, bits = argument
        subnets = ipaddress.ip_network(self.value(network)).subnets(new_prefix=32 - bits)
        return [str(subnet) for subnet, _ in zip(subnets, range(count))]


class NetworkTests(unittest.TestCase):
    networks = {1: Network(), 2: Network(Zones="2")}

    def test_each_zone_has_a_subnet_of_each_kind_a_gateway_and_an_address(self):
        for zones, network in self.networks.items():
            subnets = network.of_type("AWS::EC2::Subnet")
            self.assertEqual(len(subnets), 2 * zones)
            blocks = [ipaddress.ip_network(subnet["CidrBlock"]) for subnet in subnets.values()]
            whole = ipaddress.ip_network(network.parameters["VpcCidr"])
            for index, block in enumerate(blocks):
                self.assertTrue(block.subnet_of(whole))
                self.assertFalse(any(block.overlaps(other) for other in blocks[:index]))
            self.assertEqual(len(network.of_type("AWS::EC2::NatGateway")), zones)
            self.assertEqual(len(network.of_type("AWS::EC2::EIP")), zones)
            self.assertEqual(len(network.outputs["ElasticIPs"].split(",")), zones)
            self.assertEqual(len(network.outputs["SubnetIds"].split(",")), zones)
            public = {subnet["AvailabilityZone"] for name, subnet in subnets.items() if "Public" in name}
            self.assertEqual(public, {"zone-a", "zone-b"} if zones == 2 else {"zone-a"})

    def test_what_is_handed_to_the_functions_leads_out_through_the_gateway_of_its_own_zone(self):
        for network in self.networks.values():
            tables = {
                item["SubnetId"]: item["RouteTableId"]
                for item in network.of_type("AWS::EC2::SubnetRouteTableAssociation").values()
            }
            routes = {item["RouteTableId"]: item for item in network.of_type("AWS::EC2::Route").values()}
            gateways = network.of_type("AWS::EC2::NatGateway")
            (endpoint,) = network.of_type("AWS::EC2::VPCEndpoint").values()
            used = set()
            for subnet in network.outputs["SubnetIds"].split(","):
                route = routes[tables[subnet]]
                self.assertEqual(route["DestinationCidrBlock"], "0.0.0.0/0")
                used.add(route["NatGatewayId"])
                public = gateways[route["NatGatewayId"].strip("<>")]["SubnetId"]
                self.assertEqual(routes[tables[public]]["GatewayId"], "<InternetGateway>")
                zone = network.resources[subnet.strip("<>")]["AvailabilityZone"]
                self.assertEqual(zone, f"{public[:-1]}.AvailabilityZone>")
                self.assertIn(tables[subnet], endpoint["RouteTableIds"], "the bytes to S3 would be paid for")
            self.assertEqual(len(used), len(gateways))
            self.assertEqual((endpoint["VpcEndpointType"], endpoint["ServiceName"]), (
                "Gateway", "com.amazonaws.${AWS::Region}.s3"))

    def test_nothing_comes_in_and_only_https_and_sftp_go_out(self):
        def ports(**given):
            (group,) = Network(**given).of_type("AWS::EC2::SecurityGroup").values()
            self.assertNotIn("SecurityGroupIngress", group)
            for rule in group["SecurityGroupEgress"]:
                self.assertEqual((rule["IpProtocol"], rule["FromPort"]), ("tcp", rule["ToPort"]))
            return [(str(rule["FromPort"]), rule["CidrIp"]) for rule in group["SecurityGroupEgress"]]

        everywhere = "0.0.0.0/0"
        self.assertEqual(ports(), [("443", everywhere), ("22", everywhere)])
        partner = ports(SftpPort="2222", PartnerCidr="203.0.113.7/32")
        self.assertEqual(partner, [("443", everywhere), ("2222", "203.0.113.7/32")])
        self.assertEqual(ports(SftpPort="443"), [("443", everywhere)])
        self.assertFalse(Network().of_type("AWS::EC2::SecurityGroupEgress"))

    def test_an_address_that_is_there_already_is_used_and_named(self):
        network = Network(FirstAllocationId="eipalloc-1", FirstElasticIP="203.0.113.9")
        self.assertFalse(network.of_type("AWS::EC2::EIP"))
        self.assertEqual(network.resources["FirstNatGateway"]["AllocationId"], "eipalloc-1")
        self.assertEqual(network.outputs["ElasticIPs"], "203.0.113.9")

    def test_an_address_outlives_its_stack(self):
        """What the partner has allowed would be gone for good."""
        for name in Network(Zones="2").of_type("AWS::EC2::EIP"):
            item = TEMPLATE["Resources"][name]
            self.assertEqual((item["DeletionPolicy"], item["UpdateReplacePolicy"]), ("RetainExceptOnCreate", "Retain"))


if __name__ == "__main__":
    unittest.main()
