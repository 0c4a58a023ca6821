"""Sessions of boto3 in the region that people mean.

botocore reads AWS_DEFAULT_REGION and the profile; AWS's command line, its other SDKs and Lambda say AWS_REGION, and
whoever set that means it here too. This and boto3 itself read the environment beside settings/, for it is AWS's own.
"""

import os
from typing import TYPE_CHECKING, Any

from watchbell.errors import ConfigError

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config


#: How AWS spells a service in the names of variables, where not as everywhere else.
_VARIABLES = {"secretsmanager": "SECRETS_MANAGER"}


def new_session() -> "Session":
    """Return a session of its own (the default one is shared, and not made for threads); raises ImportError."""
    from boto3.session import Session

    return Session(region_name=os.environ.get("AWS_REGION") or None)


def new_client(service: str, config: "Config", region: str | None = None) -> Any:
    """Return a client; raises ConfigError for an address that is none, and what botocore raises, as for no region."""
    session: Any = new_session()  # its types know one method for each service
    try:
        return session.client(service, region_name=region, config=config)
    except ValueError as error:  # botocore has no class for it, and names only the address
        variable = f"AWS_ENDPOINT_URL_{_VARIABLES.get(service, service.upper())}"
        raise ConfigError(f"{error}; check {variable} and AWS_ENDPOINT_URL") from None
