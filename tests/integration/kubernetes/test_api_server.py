"""The API server that tests run against is a real one: it knows its users and what each may do."""

import pytest

from support.kubernetes import CONTROLLER, NOBODY, ApiError, ApiServer


def test_each_user_is_known_and_rights_are_enforced(api_server: ApiServer) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = api_server.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, user=CONTROLLER)
    assert found["status"]["userInfo"]["username"] == CONTROLLER.name
    assert set(found["status"]["userInfo"]["groups"]) == set(CONTROLLER.groups)
    for user in (CONTROLLER, NOBODY):
        with pytest.raises(ApiError, match="forbidden"):
            api_server.request("GET", "/api/v1/nodes", user=user)
    assert api_server.request("GET", "/api/v1/nodes")["items"] == []


def test_it_says_its_version_as_a_release_does(api_server: ApiServer) -> None:
    version = api_server.request("GET", "/version")
    assert (version["major"], int(version["minor"]) >= 30) == ("1", True)
