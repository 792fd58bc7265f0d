"""A hub of one model in this process, for the program to fetch from."""

import hashlib
import http.server
import json
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def serve(repository: str, files: dict[str, bytes]) -> http.server.ThreadingHTTPServer:
    """Starts a hub whose branch `main` holds these files. All are sent by the hub itself, as small files are."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == f"/api/models/{repository}/revision/main":
                siblings = [{"rfilename": name} for name in files]
                self.send({}, json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode())
            elif (name := self.path.removeprefix(f"/{repository}/resolve/{COMMIT}/")) in files:
                etag = hashlib.sha256(files[name]).hexdigest()
                self.send({"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, files[name])
            else:
                self.send_error(404)

        do_HEAD = do_GET

        def send(self, headers: dict[str, str], body: bytes):
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
