"""Sessions of boto3 in the region that people mean.

botocore reads AWS_DEFAULT_REGION and the profile; AWS's command line, its other SDKs and Lambda say AWS_REGION, and
whoever set that means it here too. This and boto3 itself read the environment beside settings/, for it is AWS's own.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boto3.session import Session


def new_session() -> "Session":
    """Return a session of its own (the default one is shared, and not made for threads); raises ImportError."""
    from boto3.session import Session

    return Session(region_name=os.environ.get("AWS_REGION") or None)
