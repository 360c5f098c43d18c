"""AXL on a publisher of Unified CM."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.edge import axl
from edgesim.edge import axl_messages as messages
from tests.servers.unified_cm_lab import ALICE, PUB, Lab, ask, run


def test_axl_answers_release_nodes_and_parameters() -> None:
    async def main(lab: Lab) -> None:
        version = axl.read_response(await ask(lab, messages.GetCCMVersion()), messages.CcmVersion)
        assert version.version == "14.0.1.13900-1"
        nodes = axl.read_response(await ask(lab, messages.ListProcessNode()), messages.ProcessNodes)
        assert [(node.name, node.usage, node.is_call_processing) for node in nodes.servers] == [
            (PUB, "Publisher", True),
            ("ucm-sub.inside.example.com", "Subscriber", True),
            ("imp-pub.inside.example.com", "Publisher", False),
        ]
        like = axl.read_response(await ask(lab, messages.ListProcessNode(name="ucm-s%")), messages.ProcessNodes)
        assert [node.name for node in like.nodes] == ["ucm-sub.inside.example.com"]
        rows = axl.read_response(await ask(lab, messages.ExecuteSQLQuery(sql=messages.PARAMETERS_QUERY)), messages.Rows)
        assert {dict(row)["paramname"]: dict(row)["paramvalue"] for row in rows.rows}[
            messages.CLUSTER_SECURITY_MODE
        ] == "1"
        services = axl.read_response(await ask(lab, messages.ListProcessNodeService()), messages.ProcessNodeServices)
        assert services.nodes_with("Cisco Tftp") == (PUB,)
        assert services.nodes_with("Cisco CallManager") == (PUB, "ucm-sub.inside.example.com")
        one = axl.read_response(await ask(lab, messages.GetCallManager(name="CM_ucm-pub")), messages.CallManager)
        assert (one.node, one.sip_port, one.secure_sip_port) == (PUB, 5060, 5061)
        listed = axl.read_response(await ask(lab, messages.ListCallManager(name="CM_ucm-%")), messages.CallManagers)
        assert [(each.name, each.sip_port) for each in listed.call_managers] == [
            ("CM_ucm-pub", None),
            ("CM_ucm-sub", None),
        ]
        with pytest.raises(axl.AxlFault, match="was not found"):
            axl.read_response(await ask(lab, messages.GetCallManager(name="CM_other")), messages.CallManager)
        traced = "SELECT count(*) from processnode WHERE systemnode='f' and tknodeusage= 0"
        count = axl.read_response(await ask(lab, messages.ExecuteSQLQuery(sql=traced)), messages.Rows)
        assert count.rows == ((("count", "2"),),)

    run(main, changes={"unified_cm.0.mixed_mode": True})


def test_axl_keeps_expressway_c_entries_over_a_crash() -> None:
    async def main(lab: Lab) -> None:
        stored = axl.read_response(
            await ask(lab, messages.AddExpresswayC(host="expc", description="C", subject="expc.inside.example.com")),
            messages.Stored,
        )
        assert stored.uuid.startswith("{")
        with pytest.raises(axl.AxlFault) as duplicate:
            axl.read_response(await ask(lab, messages.AddExpresswayC(host="expc")), messages.Stored)
        assert duplicate.value.code == -239
        axl.read_response(await ask(lab, messages.UpdateExpresswayC(host="expc", subject="other")), messages.Stored)
        await lab.world.crash("ucm-pub")
        await lab.world.start("ucm-pub")
        await asyncio.sleep(1)  # the pool learns that its connection was reset
        entries = axl.read_response(await ask(lab, messages.ListExpresswayC()), messages.ExpresswayCs).entries
        assert [(entry.host, entry.description, entry.subject) for entry in entries] == [("expc", "C", "other")]
        axl.read_response(await ask(lab, messages.RemoveExpresswayC(host="expc")), messages.Stored)
        with pytest.raises(axl.AxlFault) as missing:
            axl.read_response(await ask(lab, messages.UpdateExpresswayC(host="expc")), messages.Stored)
        assert missing.value.code == 5003

    run(main)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("SELECT count(*) FROM EndUser", [("3",)]),
        (
            "select d.name from Device d join EndUserDeviceMap m on m.fkdevice = d.pkid "
            "join EndUser e on e.pkid = m.fkenduser where e.userid = 'alice' and d.fkenduser = e.pkid order by d.name",
            [("BOTALICE",), ("CSFALICE",), ("TCTALICE",)],
        ),
        (
            "select n.dnorpattern from numplan n join devicenumplanmap m on m.fknumplan = n.pkid "
            "join device d on d.pkid = m.fkdevice where d.name = 'CSFALICE'",
            [("1001",)],
        ),
        (
            "select n.name from processnodeservice s join processnode n on n.pkid = s.fkprocessnode "
            "where s.servername = 'Cisco Tftp'",
            [(PUB,)],
        ),
        (
            "select t.name, count(*) from certificate c join certificateservicecertificatemap m "
            "on m.fkcertificate = c.pkid join typecertificateservice t on t.enum = m.tkcertificateservice "
            "where length(c.certificate) > 500 group by t.name",
            [("CallManager-trust", "3"), ("tomcat-trust", "3")],
        ),
        ("select hostnameorip from expresswaycconfiguration", []),
    ],
)
def test_sql_joins_every_table_in_whatever_case_it_is_written(query: str, wanted: list[tuple[str, ...]]) -> None:
    async def main(lab: Lab) -> None:
        rows = axl.read_response(await ask(lab, messages.ExecuteSQLQuery(sql=query)), messages.Rows)
        assert [tuple(value for _, value in row) for row in rows.rows] == wanted

    run(main)


@pytest.mark.parametrize(
    "query",
    [
        "select * from",
        "delete from enduser",
        "drop table enduser",
        "attach database '/tmp/x' as y",
        "pragma database_list",
        "select userid from enduser; select 1",
        "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
        "select load_extension('x')",
        'select 1 as "a b"',
        "select replace(hex(zeroblob(1000000)), '0', 'aaaaaaaaaaaa')",
        "select '\x00'",
        "select printf('%60000d', pkid) as x from device",
        "select group_concat(name) as x from device",
        "select a.name from device a, device b, device c, device d, device e, device f, device g order by 1",
        "update enduser set userid = 'x'",
        "select a.pkid from enduser a, enduser b, enduser c, device d, device e, device f, device g, device h",
    ],
)
def test_sql_that_is_wrong_forbidden_or_endless_is_a_fault(query: str) -> None:
    async def main(lab: Lab) -> None:
        with pytest.raises(axl.AxlFault) as caught:
            axl.read_response(await ask(lab, messages.ExecuteSQLQuery(sql=query)), messages.Rows)
        assert caught.value.code == 201

    run(main)


def test_axl_refuses_strangers_methods_and_versions() -> None:
    async def main(lab: Lab) -> None:
        body = axl.write_request(messages.GetCCMVersion(), "14.0")
        assert (await lab.get(axl.TARGET, method="POST", body=body)).status == 401
        assert (await lab.get(axl.TARGET, *ALICE, method="POST", body=body)).status == 401
        assert (await lab.get(axl.TARGET, "axl", "axl-password")).status == 405
        later = axl.write_request(messages.GetCCMVersion(), "99.0")
        assert (await lab.get(axl.TARGET, "axl", "axl-password", method="POST", body=later)).status == 599
        for wrong in (b"", b"<a/>", body.replace(b"getCCMVersion", b"removeUser")):
            answer = await lab.get(axl.TARGET, "axl", "axl-password", method="POST", body=wrong)
            assert answer.status == 500
            with pytest.raises(axl.AxlFault):
                axl.read_response(answer.body, messages.CcmVersion)

    run(main)


def test_axl_runs_on_the_publisher_only_and_only_where_it_is_activated() -> None:
    async def main(lab: Lab) -> None:
        assert lab.ucm.axl is None
        assert (await lab.get(axl.TARGET, "axl", "axl-password", method="POST")).status == 404

    run(main, changes={"unified_cm.0.publisher.axl": False})
