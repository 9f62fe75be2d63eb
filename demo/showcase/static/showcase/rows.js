// The formset's "Add a picture": the empty form, with the next number.
const rows = document.getElementById("rows");
const total = document.querySelector("[name$=-TOTAL_FORMS]");

document.getElementById("add-row").addEventListener("click", () => {
  const text = document.getElementById("row").innerHTML;
  rows.insertAdjacentHTML("beforeend", text.replaceAll("__prefix__", total.value));
  total.value = Number(total.value) + 1;
  rows.lastElementChild.querySelector("input[type=file]").focus();
});
