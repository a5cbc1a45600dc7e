import { createVisitorClient } from "support-chat-client";

const url = new URL(location.href).searchParams.get("service") ?? "http://localhost:3000";

/** Stays the same visitor for 30 days: the refresh token gets a new access token. */
async function token(_cause, signal) {
  const kept = localStorage.getItem("visitor");
  if (kept) {
    const headers = { Authorization: kept };
    const renewed = await fetch(`${url}/token`, { method: "POST", headers, signal });
    if (renewed.ok) return keep(await renewed.json());
    if (renewed.status !== 401) throw new Error(`The service answers ${renewed.status}`);
  }
  const headers = { "Content-Type": "application/json" };
  const login = await fetch(`${url}/anonymous/login`, { method: "POST", headers, body: '{"name": "Vera"}', signal });
  if (!login.ok) throw new Error(`The service answers ${login.status}`);
  return keep(await login.json());
}

function keep({ access_token, refresh_token }) {
  if (refresh_token) localStorage.setItem("visitor", refresh_token);
  return access_token;
}

const client = createVisitorClient({ url, token }).start();
client.subscribe(render);
render();

document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { text } = event.target;
  client.send({ content: text.value }).then(undefined, (error) => alert(error.message));
  text.value = "";
});

function render() {
  const { connection, phase, staff, chat } = client.getSnapshot();
  document.querySelector("#status").textContent =
    connection.state === "online" ? `${phase} ${staff?.display_name ?? ""}` : connection.state;
  const items = (chat?.messages ?? [])
    .filter(({ type }) => type === "text")
    .map(({ by, content, state }) => {
      const item = document.createElement("li");
      item.textContent = `${by === "me" ? "You" : (by?.display_name ?? "Staff")}: ${content.content} (${state})`;
      return item;
    });
  document.querySelector("#messages").replaceChildren(...items);
}
