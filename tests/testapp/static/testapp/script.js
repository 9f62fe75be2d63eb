/** A page of its own making: it uploads what is chosen, and posts JSON. */
import { upload } from "/static/s3upload/s3upload.js";

const find = (id) => document.getElementById(id);
const options = JSON.parse(find("upload").textContent);
const csrfToken = document.querySelector("[name=csrfmiddlewaretoken]").value;

find("chosen").addEventListener("change", async ({ target }) => {
  const stop = new AbortController();
  find("cancel").onclick = () => stop.abort();
  try {
    const { token, name } = await upload(target.files[0], {
      ...options,
      signal: stop.signal,
      onprogress: ({ progress }) => (find("progress").value = progress),
    });
    const response = await fetch("/api/documents/", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken },
      body: JSON.stringify({ title: name, "file-s3upload": token }),
    });
    find("answer").textContent = `${response.status} ${await response.text()}`;
  } catch (error) {
    find("answer").textContent = `${error.name}: ${error.message}`;
  }
});
