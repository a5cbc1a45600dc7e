import json
import os
import threading
import urllib.request
import uuid

import socketio

url = os.environ.get("CHAT_URL", "http://localhost:3000")
body = json.dumps({"email": "visitor@demo.example", "password": "demo-1234"}).encode()
request = urllib.request.Request(f"{url}/visitor/login", body, {"Content-Type": "application/json"})


def headers():
    """Gets a fresh token before each connect. python-socketio tries again only after an error of its own."""
    try:
        return {"Authorization": json.load(urllib.request.urlopen(request))["access_token"]}
    except OSError as error:
        raise socketio.exceptions.ConnectionError(str(error)) from error


sio = socketio.Client()
answered = threading.Event()


@sio.event
def visitor_init(data):
    print("open chat:", data["room"], "with", len(data["messages"]), "messages")


@sio.event
def staff_send(data):
    print(data["user"]["full_name"], "writes", data["content"])
    answered.set()


sio.connect(url, headers=headers)
# Two arguments are a tuple; the ack is one too.
result, why, *stored = sio.call("visitor_first_msg", ({"content": "Hello?"}, {"id": str(uuid.uuid4())}))
print(result, why, stored)
answered.wait(30)
sio.call("visitor_leave_room")
sio.disconnect()
